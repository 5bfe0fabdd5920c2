// SPDX-License-Identifier: Apache-2.0
//
// Memory shared with another process by passing a descriptor.

import LibC
import CPlatform

package enum SharedMemory {
  /// Zeroed memory of `size` bytes, which exists while a descriptor or a mapping of it does. `name` appears in /proc
  /// only. The caller owns the descriptor.
  package static func create(name: String, size: Int) throws(SystemError) -> Int32 {
    #if os(Linux)
      let fd = try check("memfd_create", plat_memfd_create(name))
    #else
      let path = "/lima-netd.\(getpid()).\(name)"
      let fd = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
      guard fd >= 0 else { throw SystemError("shm_open", .current, subject: path) }
      _ = shm_unlink(path)
      _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
    #endif
    guard ftruncate(fd, off_t(size)) == 0 else {
      let errno = Errno.current
      _ = close(fd)
      throw SystemError("ftruncate", errno)
    }
    return fd
  }

  /// Maps `size` bytes for reading and writing. Refuses a smaller object: an access to its missing pages would raise
  /// SIGBUS.
  package static func map(_ fd: Int32, size: Int) throws(SystemError) -> UnsafeMutableRawPointer {
    var info = stat()
    guard fstat(fd, &info) == 0 else { throw SystemError("fstat", .current) }
    guard size > 0, Int(info.st_size) >= size else { throw SystemError("mmap", Errno(EINVAL)) }
    let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
    guard let memory, memory != MAP_FAILED else { throw SystemError("mmap", .current) }
    return memory
  }

  package static func unmap(_ memory: UnsafeMutableRawPointer, size: Int) {
    _ = munmap(memory, size)
  }
}
