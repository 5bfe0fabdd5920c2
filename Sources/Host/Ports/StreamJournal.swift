// SPDX-License-Identifier: Apache-2.0
//
// Where the frame boundaries of a stream are, kept in memory that outlives this
// process (a memfd of the supervisor), so that after a crash the next process
// goes on with the same socket.
//
// Each direction is `busy` around its system call and the update behind it.
// What a dead process left busy is unknown, and the stream is closed. All else
// is exact:
//   rx  bytes of the half-read frame still to come (to be skipped), or the
//       first bytes of a length that came in two pieces
//   tx  length of the half-written frame and how much of it was written (to be
//       completed with zero bytes: the guest drops it for its checksums)
//
// One writer. The order of stores matters only within this process: a process
// that takes over learns of the death from the kernel.
//
// Layout of a slot, 64 bytes, native byte order: 0 rx busy, 4 rx skip, 8 rx
// header bytes (count << 24 | up to 3 bytes), 12 tx busy, 16 tx length,
// 20 tx sent, 24 magic.

import Synchronization

package struct StreamJournal {
  package static let slotBytes = 64
  private static let magic: UInt32 = 0x4c4e_4a31

  private let slot: UnsafeMutableRawPointer

  /// - Parameter slot: 64 bytes, aligned to 4, valid as long as the value is used.
  package init(slot: UnsafeMutableRawPointer) { self.slot = slot }

  /// What a dead process left behind.
  struct State: Equatable {
    var skip: UInt32 = 0
    var header: UInt32 = 0
    var headerCount: Int = 0
    var sendLength: UInt32 = 0
    var sent: UInt32 = 0
  }

  /// A new stream: both directions at a boundary.
  func reset() {
    rxEnd(skip: 0, header: 0, headerCount: 0)
    txEnd(length: 0, sent: 0)
    slot.storeBytes(of: Self.magic, toByteOffset: 24, as: UInt32.self)
  }

  /// Nil when the boundary is not known, or nothing sensible is in the slot.
  func recover(_ framing: StreamFraming = .qemu) -> State? {
    guard word(24) == Self.magic, word(0) == 0, word(12) == 0 else { return nil }
    let packed = word(8)
    let state = State(
      skip: word(4), header: packed & 0xff_ffff, headerCount: Int(packed >> 24),
      sendLength: word(16), sent: word(20))
    guard state.skip <= framing.longestSkipped, state.headerCount < framing.size,
      state.skip == 0 || state.headerCount == 0, state.sendLength <= framing.longest,
      state.sent == 0 || state.sent < state.sendLength + UInt32(framing.size)
    else { return nil }
    return state
  }

  @inline(__always) func rxBegin() { mark(0, 1) }

  @inline(__always) func rxEnd(skip: UInt32, header: UInt32, headerCount: UInt32) {
    slot.storeBytes(of: skip, toByteOffset: 4, as: UInt32.self)
    slot.storeBytes(of: headerCount << 24 | header, toByteOffset: 8, as: UInt32.self)
    mark(0, 0)
  }

  @inline(__always) func txBegin() { mark(12, 1) }

  @inline(__always) func txEnd(length: UInt32, sent: UInt32) {
    slot.storeBytes(of: length, toByteOffset: 16, as: UInt32.self)
    slot.storeBytes(of: sent, toByteOffset: 20, as: UInt32.self)
    mark(12, 0)
  }

  private func word(_ offset: Int) -> UInt32 { slot.load(fromByteOffset: offset, as: UInt32.self) }

  /// Releasing, so that the compiler keeps the stores before it before it. What
  /// comes after a `Begin` is a system call, which it cannot move up either.
  @inline(__always) private func mark(_ offset: Int, _ value: UInt32) {
    (slot + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
      .pointee.store(value, ordering: .releasing)
  }
}
