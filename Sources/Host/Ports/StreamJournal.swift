// SPDX-License-Identifier: Apache-2.0
//
// The journal: the frame boundaries of a stream, in memory that outlives this process (a memfd of the supervisor), so
// that after a crash the next process can continue on the same socket.
//
// Each direction is marked `busy` around its system call and the update after it. If a dead process left it busy, the
// position is unknown and the stream is closed. Otherwise it is exact:
//   rx  bytes of the half-read frame still to come (to be skipped), or the
//       first bytes of a length field that was read in part
//   tx  length of the half-written frame and how much of it was written (to be
//       completed with zero bytes: the guest drops the frame by its checksums)
//
// One writer. The order of stores matters only within this process: the kernel reports the death to the next one.
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

  /// The position that a dead process left.
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

  /// Nil when the boundary is unknown, or the slot is invalid.
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

  /// A releasing store, so that the compiler keeps earlier stores before it. After a `Begin` comes a system call,
  /// which the compiler cannot move before it either.
  @inline(__always) private func mark(_ offset: Int, _ value: UInt32) {
    (slot + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
      .pointee.store(value, ordering: .releasing)
  }
}
