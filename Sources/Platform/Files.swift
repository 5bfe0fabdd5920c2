// SPDX-License-Identifier: Apache-2.0
//
// Files: operations on files and directories by path. Cold paths: a call may block on a disk and on nothing else. The
// type is checked before and after opening, so that a named pipe, a device or a terminal in a file's place is an
// error and does not block. A path with a NUL is refused, because C would cut it there. Contents: Files+Read.swift
// and Files+Atomic.swift.

import LibC

package struct FileInfo: Hashable, Sendable {
  package enum Kind: Sendable {
    case file, directory, symbolicLink, socket, pipe, device, other

    /// "a directory", for error texts that name what is there.
    package var words: String {
      switch self {
      case .file: "a regular file"
      case .directory: "a directory"
      case .symbolicLink: "a symbolic link"
      case .socket: "a socket"
      case .pipe: "a named pipe"
      case .device: "a device"
      case .other: "something that is no file"
      }
    }
  }

  package var kind: Kind
  /// Permissions with the set-id and sticky bits: the lower 12 bits of st_mode.
  package var mode: UInt32
  package var uid: UInt32
  package var gid: UInt32
  package var device: UInt64
  package var inode: UInt64
  /// Bytes.
  package var size: Int64
  /// Nanoseconds since 1970.
  package var modified: Int64

  package var isWorldWritable: Bool { mode & 0o002 != 0 }
  package var isSticky: Bool { mode & 0o1000 != 0 }

  init(_ info: stat) {
    switch info.st_mode & S_IFMT {
    case S_IFREG: kind = .file
    case S_IFDIR: kind = .directory
    case S_IFLNK: kind = .symbolicLink
    case S_IFSOCK: kind = .socket
    case S_IFIFO: kind = .pipe
    case S_IFCHR, S_IFBLK: kind = .device
    default: kind = .other
    }
    mode = UInt32(info.st_mode & 0o7777)
    uid = info.st_uid
    gid = info.st_gid
    device = UInt64(truncatingIfNeeded: info.st_dev)
    inode = UInt64(info.st_ino)
    size = Int64(info.st_size)
    #if canImport(Glibc)
      modified = Int64(info.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(info.st_mtim.tv_nsec)
    #else
      modified =
        Int64(info.st_mtimespec.tv_sec) &* 1_000_000_000 &+ Int64(info.st_mtimespec.tv_nsec)
    #endif
  }
}

package enum Files {
  package static func info(_ path: String, followLinks: Bool = true) throws(SystemError) -> FileInfo
  {
    try refuseNUL(path, "stat")
    var info = stat()
    let result = followLinks ? stat(path, &info) : lstat(path, &info)
    guard result == 0 else { throw SystemError("stat", .current, subject: path) }
    return FileInfo(info)
  }

  /// Whether anything is there, of any type; a dangling link included.
  package static func exists(_ path: String) -> Bool {
    (try? info(path, followLinks: false)) != nil
  }

  static func refuseNUL(_ path: String, _ call: String) throws(SystemError) {
    guard path.utf8.contains(0) else { return }
    throw SystemError(call, .invalidArgument, subject: path, detail: "a path has no NUL in it")
  }

  /// Maximum entries of a directory that are read: some milliseconds.
  package static let maximumEntries = 10_000

  /// The names in a directory for which the filter holds, sorted, without "." and ".."; EFBIG when the directory has
  /// more than `maximumEntries`.
  package static func list(
    _ path: String, where isWanted: (String) -> Bool = { _ in true }
  ) throws(SystemError) -> [String] {
    try refuseNUL(path, "opendir")
    guard let directory = opendir(path) else {
      throw SystemError("opendir", .current, subject: path)
    }
    defer { closedir(directory) }
    var names: [String] = []
    var count = 0
    while let entry = readdir(directory) {
      count += 1
      guard count <= maximumEntries + 2 else {
        throw SystemError(
          "readdir", .tooLarge, subject: path, detail: "it has more than \(maximumEntries) entries")
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != "..", isWanted(name) { names.append(name) }
    }
    return names.sorted()
  }

  /// Bytes of the regular file behind a descriptor; nil for other types.
  package static func size(ofFile fd: Int32) -> Int64? {
    var status = stat()
    guard fstat(fd, &status) == 0, mode_t(status.st_mode) & mode_t(S_IFMT) == mode_t(S_IFREG) else {
      return nil
    }
    return Int64(status.st_size)
  }

  /// Writes all bytes; blocks while a pipe or terminal is full.
  package static func writeAll(_ fd: Int32, _ bytes: [UInt8]) throws(SystemError) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        systemWrite(fd, $0.baseAddress?.advanced(by: sent), $0.count - sent)
      }
      if count >= 0 {
        sent += count
      } else if errno == EAGAIN {
        _ = try Descriptor.wait(fd, .write, timeout: -1)
      } else if errno != EINTR {
        throw SystemError("write", .current)
      }
    }
  }

  /// Writes as much as fits without blocking: a pipe that is not read, or a stopped terminal, must not block a loop
  /// that logs. False when some of it is lost.
  package static func writeIfReady(_ fd: Int32, _ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      var request = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
      guard poll(&request, 1, 0) == 1, request.revents & Int16(POLLOUT) != 0 else { return false }
      // A pipe that is writable takes PIPE_BUF bytes at once (pipe(7)).
      let length = min(bytes.count - sent, Int(PIPE_BUF))
      let count = bytes.withUnsafeBytes {
        systemWrite(fd, $0.baseAddress?.advanced(by: sent), length)
      }
      if count < 0, errno != EINTR { return false }
      sent += max(count, 0)
    }
    return true
  }

  /// Makes the directory and those above it. One that exists keeps its permissions.
  package static func makeDirectory(_ path: String, mode: UInt32) throws(SystemError) {
    try refuseNUL(path, "mkdir")
    if mkdir(path, mode_t(mode)) == 0 { return }
    switch Errno.current.rawValue {
    case EEXIST:
      let there = try info(path).kind
      guard there == .directory else {
        throw SystemError(
          "mkdir", Errno(ENOTDIR), subject: path,
          detail: "\(there.words) is there, and a directory is needed")
      }
    case ENOENT:
      guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
        throw SystemError("mkdir", .noSuchFile, subject: path)
      }
      try makeDirectory(String(path[..<slash]), mode: mode)
      guard mkdir(path, mode_t(mode)) == 0 || Errno.current == Errno(EEXIST) else {
        throw SystemError("mkdir", .current, subject: path)
      }
    default:
      throw SystemError("mkdir", .current, subject: path)
    }
  }

  /// Makes the directory with mode 0700; its parent must exist. The mode of an existing one is reduced to the
  /// owner's. EPERM when another user owns it, ENOTDIR when it is not a directory or is a link to one.
  package static func makePrivateDirectory(_ path: String) throws(SystemError) {
    try refuseNUL(path, "mkdir")
    guard mkdir(path, 0o700) == 0 || Errno.current == .exists else {
      throw SystemError("mkdir", .current, subject: path)
    }
    let there = try info(path, followLinks: false)
    guard there.kind == .directory else {
      throw SystemError(
        "mkdir", Errno(ENOTDIR), subject: path,
        detail: "\(there.kind.words) is there, and a directory is needed")
    }
    let fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    defer { Descriptor.close(fd) }
    var own = stat()
    guard fstat(fd, &own) == 0 else { throw SystemError("fstat", .current, subject: path) }
    guard own.st_uid == geteuid() else {
      throw SystemError(
        "mkdir", .notPermitted, subject: path,
        detail: "it belongs to uid \(own.st_uid), and this is uid \(geteuid())")
    }
    // On a file system without modes the chmod has no effect.
    if own.st_mode & 0o077 != 0 { _ = fchmod(fd, 0o700) }
  }

  /// The text of a symbolic link.
  package static func readLink(_ path: String) throws(SystemError) -> String {
    try refuseNUL(path, "readlink")
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let length = buffer.withUnsafeMutableBytes { bytes -> Int in
      guard let base = bytes.baseAddress else { return -1 }
      return readlink(path, base.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    guard length > 0 else { throw SystemError("readlink", .current, subject: path) }
    return String(decoding: buffer[..<length], as: UTF8.self)
  }

  /// rename(2): replaces `target`.
  package static func rename(_ path: String, to target: String) throws(SystemError) {
    try refuseNUL(path, "rename")
    try refuseNUL(target, "rename")
    guard systemRename(path, target) == 0 else {
      throw SystemError("rename", .current, subject: path)
    }
  }

  /// Removes a regular file; a file of another type was put there by other software and stays. Idempotent.
  package static func remove(_ path: String) {
    guard let there = try? info(path, followLinks: false), there.kind == .file else { return }
    _ = unlink(path)
  }

  /// Removes the file at `path` if it is the one that `fd` has open. Idempotent.
  package static func remove(_ path: String, openAs fd: Int32) {
    var own = stat()
    guard fstat(fd, &own) == 0, let there = try? info(path, followLinks: false) else { return }
    let mine = FileInfo(own)
    if there.inode == mine.inode, there.device == mine.device { _ = unlink(path) }
  }

  /// Idempotent; a directory that is not empty stays, and so does a link.
  package static func removeDirectory(_ path: String) {
    guard !path.utf8.contains(0) else { return }
    _ = rmdir(path)
  }

  /// The path without symbolic links and dots.
  package static func realPath(_ path: String) throws(SystemError) -> String {
    try refuseNUL(path, "realpath")
    guard let resolved = realpath(path, nil) else {
      throw SystemError("realpath", .current, subject: path)
    }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// A descriptor for appending to a regular file, which is created when missing.
  package static func openForAppending(_ path: String, mode: UInt32) throws(SystemError) -> Int32 {
    try openOwn(path, O_WRONLY | O_CREAT | O_APPEND, mode: mode)
  }

  /// Opens a file that this program writes itself: a regular one, links not followed.
  static func openOwn(_ path: String, _ flags: Int32, mode: UInt32) throws(SystemError) -> Int32 {
    try refuseNUL(path, "open")
    if let there = try? info(path, followLinks: false) { try refuse(there.kind, path) }
    // Non-blocking, in case a pipe has taken the file's place since the check. No effect on a regular file.
    let fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode_t(mode))
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    return try checked(fd, path)
  }

  /// - Throws: when it is not a regular file.
  static func refuse(_ kind: FileInfo.Kind, _ path: String) throws(SystemError) {
    guard kind != .file else { return }
    throw SystemError(
      "open", Errno(kind == .directory ? EISDIR : EINVAL), subject: path,
      detail: "\(kind.words) is there, not a regular file")
  }

  /// Returns `fd` if it is a regular file; otherwise closes it and throws.
  static func checked(_ fd: Int32, _ path: String) throws(SystemError) -> Int32 {
    var info = stat()
    do throws(SystemError) {
      guard fstat(fd, &info) == 0 else { throw SystemError("fstat", .current, subject: path) }
      try refuse(FileInfo(info).kind, path)
      return fd
    } catch {
      Descriptor.close(fd)
      throw error
    }
  }

  /// A descriptor for /dev/null.
  package static func openNull() throws(SystemError) -> Int32 {
    let fd = open("/dev/null", O_RDWR | O_CLOEXEC)
    guard fd >= 0 else { throw SystemError("open", .current, subject: "/dev/null") }
    return fd
  }

  /// Opens and locks `path`; nil when another process holds the lock. The lock is held while the descriptor is open.
  /// The holder may remove the file.
  package static func openLocked(_ path: String, mode: UInt32) throws(SystemError) -> Int32? {
    while true {
      guard let fd = try lock(path, mode: mode) else { return nil }
      // The previous holder may have removed the file between this open and this lock; the lock would then be on a
      // file that no other process can open.
      var own = stat()
      var there = stat()
      if fstat(fd, &own) == 0, stat(path, &there) == 0, own.st_ino == there.st_ino,
        own.st_dev == there.st_dev
      {
        return fd
      }
      Descriptor.close(fd)
    }
  }

  private static func lock(_ path: String, mode: UInt32) throws(SystemError) -> Int32? {
    let fd = try openOwn(path, O_RDWR | O_CREAT, mode: mode)
    if flock(fd, LOCK_EX | LOCK_NB) == 0 { return fd }
    let reason = Errno.current
    Descriptor.close(fd)
    if reason == .wouldBlock { return nil }
    throw SystemError("flock", reason, subject: path)
  }

  /// Replaces the contents of an open file.
  package static func replace(_ fd: Int32, with bytes: [UInt8]) throws(SystemError) {
    guard ftruncate(fd, 0) == 0, lseek(fd, 0, SEEK_SET) == 0 else {
      throw SystemError("ftruncate", .current)
    }
    try writeAll(fd, bytes)
  }

  private static func systemRename(_ path: String, _ target: String) -> Int32 {
    #if canImport(Glibc)
      Glibc.rename(path, target)
    #else
      Darwin.rename(path, target)
    #endif
  }

  private static func systemWrite(_ fd: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    #if canImport(Glibc)
      Glibc.write(fd, bytes, count)
    #else
      Darwin.write(fd, bytes, count)
    #endif
  }
}

package enum CurrentProcess {
  package static var id: Int32 { getpid() }
  package static var isRoot: Bool { geteuid() == 0 }
  package static var effectiveUser: UInt32 { geteuid() }

  /// The environment as it is now.
  package static var environment: [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let pair = String(cString: text)
      if let equals = pair.firstIndex(of: "=") {
        result[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
      }
      entry += 1
    }
    return result
  }

  /// The process's soft limit of descriptors; nil when it is unknown.
  package static var descriptorLimit: Int? {
    var limit = rlimit()
    guard getrlimit(descriptors, &limit) == 0 else { return nil }
    return Int(clamping: limit.rlim_cur)
  }

  #if canImport(Glibc)
    private static var descriptors: __rlimit_resource_t {
      __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    }
  #else
    private static var descriptors: Int32 { RLIMIT_NOFILE }
  #endif

  /// The process's hard limit of descriptors; nil when it is unknown.
  package static var descriptorMaximum: Int? {
    var limit = rlimit()
    guard getrlimit(descriptors, &limit) == 0 else { return nil }
    return Int(clamping: limit.rlim_max)
  }

  /// Raises the soft limit to the hard limit, up to 2^20.
  package static func raiseDescriptorLimit() {
    let resource = descriptors
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return }
    let wanted = min(limit.rlim_max, 1 << 20)
    guard limit.rlim_cur < wanted else { return }
    limit.rlim_cur = wanted
    _ = setrlimit(resource, &limit)
  }

  package static var workingDirectory: String {
    guard let path = getcwd(nil, 0) else { return "/" }
    defer { free(path) }
    return String(cString: path)
  }
}

extension Descriptor {
  /// Sets a pipe's capacity to 1 MiB where the system can and permits it.
  package static func enlargePipe(_ fd: Int32) {
    #if os(Linux)
      // F_SETPIPE_SZ, which Swift does not import.
      _ = fcntl(fd, 1031, Int32(1 << 20))
    #endif
  }
}
