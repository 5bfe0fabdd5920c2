// SPDX-License-Identifier: Apache-2.0
//
// SharedPage: memory that another process writes and this one reads. What is in it may change at any time, and is to be
// checked: it is anybody's.

import Synchronization

package final class SharedPage {
  /// For the other process; this object's to close.
  package let fd: Int32
  package let size: Int
  private let memory: UnsafeMutableRawPointer

  /// Zeroes.
  package init(name: String, size: Int) throws(SystemError) {
    self.size = size
    fd = try SharedMemory.create(name: name, size: size)
    do throws(SystemError) {
      memory = try SharedMemory.map(fd, size: size)
    } catch {
      Descriptor.close(fd)
      throw error
    }
  }

  deinit {
    SharedMemory.unmap(memory, size: size)
    Descriptor.close(fd)
  }

  /// Eight bytes that the other process stores at once, native byte order; 0 outside of the memory.
  /// - Parameter offset: a multiple of 8.
  package func word(at offset: Int) -> UInt64 {
    guard offset >= 0, offset <= size - 8, offset % 8 == 0 else { return 0 }
    return (memory + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
      .pointee.load(ordering: .acquiring)
  }

  /// As many as there are.
  package func bytes(at offset: Int, count: Int) -> [UInt8] {
    guard offset >= 0, offset < size else { return [] }
    return (offset..<min(offset + count, size)).map { memory.load(fromByteOffset: $0, as: UInt8.self) }
  }
}
