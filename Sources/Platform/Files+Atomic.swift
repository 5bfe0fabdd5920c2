// SPDX-License-Identifier: Apache-2.0
//
// Files that other processes may read at any time, and lock directories.

import LibC

extension Files {
  /// Replaces the file at `path` in one step: a reader finds the old contents or the new. Writes `path`.PID.tmp first
  /// and renames it; each process has its own, because two may write the same file. EEXIST when what is there is
  /// neither a regular file nor a symbolic link.
  /// - Parameter followLinks: the file that a symbolic link leads to is replaced, for files that users keep elsewhere;
  ///   else the link itself, which in a folder that a network's process may write to could lead anywhere.
  package static func write(
    _ bytes: [UInt8], to path: String, mode: UInt32, followLinks: Bool = false
  ) throws(SystemError) {
    let target = try replaceable(path, followLinks)
    let new = "\(target).\(getpid()).tmp"
    // Left by a process of that number that ended before the rename.
    remove(new)
    let fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode_t(mode))
    guard fd >= 0 else { throw SystemError("open", .current, subject: new) }
    defer { Descriptor.close(fd) }
    do throws(SystemError) {
      try writeAll(fd, bytes)
      try rename(new, to: target)
    } catch {
      remove(new, openAs: fd)
      throw SystemError(
        error.call, error.errno, subject: error.subject ?? target, detail: error.detail)
    }
  }

  /// The path to be replaced, symbolic links resolved where they are followed.
  private static func replaceable(
    _ path: String, _ followLinks: Bool
  ) throws(SystemError) -> String {
    try refuseNUL(path, "open")
    guard let there = try? info(path, followLinks: false), there.kind != .file else { return path }
    if there.kind == .symbolicLink, !followLinks { return path }
    let target = there.kind == .symbolicLink ? try realPath(path) : path
    let kind = there.kind == .symbolicLink ? try info(target).kind : there.kind
    guard kind == .file else {
      throw SystemError(
        "replace", .exists, subject: path, detail: "\(kind.words) is there, not a regular file")
    }
    return target
  }

  /// Creates an empty file unless something is there.
  package static func touch(_ path: String, mode: UInt32) throws(SystemError) {
    try refuseNUL(path, "open")
    let fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode))
    if fd >= 0 { return Descriptor.close(fd) }
    let reason = Errno.current
    guard reason == .exists else { throw SystemError("open", reason, subject: path) }
  }

  /// flock on a directory, awaited; nil: another process held it all the time. The lock is held while the descriptor is
  /// open.
  /// - Parameter timeout: nanoseconds.
  package static func lockDirectory(
    _ path: String, timeout: UInt64
  ) throws(SystemError) -> Int32? {
    let deadline = MonotonicClock.now() &+ timeout
    while true {
      if let fd = try lockDirectory(path) { return fd }
      guard MonotonicClock.now() < deadline else { return nil }
      usleep(10_000)
    }
  }

  /// flock on a directory, held while the descriptor is open; nil while another process holds it.
  package static func lockDirectory(_ path: String) throws(SystemError) -> Int32? {
    try refuseNUL(path, "open")
    let fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    if flock(fd, LOCK_EX | LOCK_NB) == 0 { return fd }
    let reason = Errno.current
    Descriptor.close(fd)
    if reason == .wouldBlock { return nil }
    throw SystemError("flock", reason, subject: path)
  }
}
