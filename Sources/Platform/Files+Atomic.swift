// SPDX-License-Identifier: Apache-2.0
//
// Files that others read at any time, and directories that others lock.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension Files {
  /// Puts a file with these bytes in the place of the one at `path`, in one step: a reader finds the old one or the new
  /// one. Written beside it first, as `path` and ".tmp".
  package static func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws(SystemError) {
    let new = path + ".tmp"
    remove(new)
    let fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode_t(mode))
    guard fd >= 0 else { throw SystemError("open", .current, subject: new) }
    do throws(SystemError) {
      defer { Descriptor.close(fd) }
      try writeAll(fd, bytes)
    } catch {
      remove(new)
      throw error
    }
    try rename(new, to: path)
  }

  /// Makes an empty file, unless something is there.
  package static func touch(_ path: String, mode: UInt32) throws(SystemError) {
    let fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode_t(mode))
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    Descriptor.close(fd)
  }

  /// flock on a directory, as long as the descriptor is open; nil while another process has it.
  package static func lockDirectory(_ path: String) throws(SystemError) -> Int32? {
    let fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    if flock(fd, LOCK_EX | LOCK_NB) == 0 { return fd }
    let reason = Errno.current
    Descriptor.close(fd)
    if reason == .wouldBlock { return nil }
    throw SystemError("flock", reason, subject: path)
  }
}
