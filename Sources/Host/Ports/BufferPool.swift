// SPDX-License-Identifier: Apache-2.0
//
// A pool of buffers of one size. The most recently returned buffer is taken first, because it is likely still in the
// CPU cache. Memory is reserved when a buffer is made and resident when touched. Thread: its owner's.

struct BufferPool {
  private let bytes: Int
  /// Maximum number of idle buffers that are kept.
  private let spare: Int
  /// Buffers not in use.
  private(set) var idle: [UnsafeMutablePointer<UInt8>] = []

  init(bytes: Int, spare: Int) {
    self.bytes = bytes
    self.spare = spare
    idle.reserveCapacity(spare)
  }

  mutating func take() -> UnsafeMutablePointer<UInt8> {
    idle.popLast() ?? .allocate(capacity: bytes)
  }

  mutating func giveBack(_ buffer: UnsafeMutablePointer<UInt8>) {
    if idle.count < spare { idle.append(buffer) } else { buffer.deallocate() }
  }

  /// Frees the idle buffers.
  func deallocate() {
    for buffer in idle { buffer.deallocate() }
  }
}
