// SPDX-License-Identifier: Apache-2.0
//
// SharedPage: memory that another process writes and this one reads. Its contents may change at any time and are
// untrusted.

import Synchronization

package final class SharedPage {
  /// Passed to the other process; closed by this object.
  package let fd: Int32
  package let size: Int
  private let memory: UnsafeMutableRawPointer

  /// The memory is zeroed.
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

  /// One that a program before this one has made; takes over `fd`.
  package init(fd: Int32, size: Int) throws(SystemError) {
    self.size = size
    self.fd = fd
    memory = try SharedMemory.map(fd, size: size)
  }

  deinit {
    SharedMemory.unmap(memory, size: size)
    Descriptor.close(fd)
  }

  /// Eight bytes that the other process stores atomically, native byte order; 0 outside the memory.
  /// - Parameter offset: a multiple of 8.
  package func word(at offset: Int) -> UInt64 {
    guard offset >= 0, offset <= size - 8, offset % 8 == 0 else { return 0 }
    return (memory + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
      .pointee.load(ordering: .acquiring)
  }

  /// Cut at the end of the memory.
  package func bytes(at offset: Int, count: Int) -> [UInt8] {
    guard offset >= 0, offset < size else { return [] }
    return (offset..<min(offset + count, size)).map {
      memory.load(fromByteOffset: $0, as: UInt8.self)
    }
  }
}
