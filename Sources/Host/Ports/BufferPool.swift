// SPDX-License-Identifier: Apache-2.0
//
// Buffers of one size that are lent for a while. The one given back last is lent first: it is
// still in the processor's cache. Memory is reserved when a buffer is made and resident when
// touched. Thread: its owner's.

struct BufferPool {
  private let bytes: Int
  /// How many are kept for the next at most.
  private let spare: Int
  /// Buffers that nobody has.
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

  /// Of those that nobody has.
  func deallocate() {
    for buffer in idle { buffer.deallocate() }
  }
}
