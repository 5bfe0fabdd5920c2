// SPDX-License-Identifier: Apache-2.0
//
// Files: the few things done to files and directories by path. Cold paths: every call may block on a disk.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

package struct FileInfo: Hashable, Sendable {
  package enum Kind: Sendable {
    case file, directory, symbolicLink, socket, other
  }

  package var kind: Kind
  /// Permissions with the set-id and sticky bits: the lower 12 bits of st_mode.
  package var mode: UInt32
  package var uid: UInt32
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
    default: kind = .other
    }
    mode = UInt32(info.st_mode & 0o7777)
    uid = info.st_uid
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
    var info = stat()
    let result = followLinks ? stat(path, &info) : lstat(path, &info)
    guard result == 0 else { throw SystemError("stat", .current, subject: path) }
    return FileInfo(info)
  }

  package static func exists(_ path: String) -> Bool {
    var info = stat()
    return lstat(path, &info) == 0
  }

  /// The names in a directory, sorted, without "." and "..".
  package static func list(_ path: String) throws(SystemError) -> [String] {
    guard let directory = opendir(path) else {
      throw SystemError("opendir", .current, subject: path)
    }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// The whole file; EFBIG when it has more than `limit` bytes.
  package static func read(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    defer { Descriptor.close(fd) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = readSome(fd, &chunk)
      if count < 0 { throw SystemError("read", .current, subject: path) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      if bytes.count > limit { throw SystemError("read", Errno(EFBIG), subject: path) }
    }
  }

  /// At most the last `limit` bytes.
  package static func tail(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    defer { Descriptor.close(fd) }
    let end = lseek(fd, 0, SEEK_END)
    _ = lseek(fd, max(0, end - off_t(limit)), SEEK_SET)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: limit)
    while bytes.count < limit {
      let count = readSome(fd, &chunk)
      if count <= 0 { break }
      bytes += chunk[..<min(count, limit - bytes.count)]
    }
    return bytes
  }

  /// Reads once, as much as fits: bytes, 0 at the end, -1 with errno set.
  package static func readSome(_ fd: Int32, _ buffer: inout [UInt8]) -> Int {
    while true {
      let count = buffer.withUnsafeMutableBytes { systemRead(fd, $0.baseAddress, $0.count) }
      if count >= 0 || errno != EINTR { return count }
    }
  }

  /// Writes all of it, waiting where a pipe or terminal is full.
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

  /// Makes the directory and those above it. One that exists keeps its permissions.
  package static func makeDirectory(_ path: String, mode: UInt32) throws(SystemError) {
    if mkdir(path, mode_t(mode)) == 0 { return }
    switch Errno.current.rawValue {
    case EEXIST:
      guard try info(path).kind == .directory else {
        throw SystemError("mkdir", Errno(ENOTDIR), subject: path)
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

  /// Puts a file in the place of another.
  package static func rename(_ path: String, to target: String) throws(SystemError) {
    guard systemRename(path, target) == 0 else {
      throw SystemError("rename", .current, subject: path)
    }
  }

  /// Idempotent.
  package static func remove(_ path: String) { _ = unlink(path) }

  /// Idempotent; a directory that is not empty stays.
  package static func removeDirectory(_ path: String) { _ = rmdir(path) }

  /// The path without symbolic links and dots.
  package static func realPath(_ path: String) throws(SystemError) -> String {
    guard let resolved = realpath(path, nil) else {
      throw SystemError("realpath", .current, subject: path)
    }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// A descriptor for appending to a file that is made when missing.
  package static func openForAppending(_ path: String, mode: UInt32) throws(SystemError) -> Int32 {
    let fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, mode_t(mode))
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    return fd
  }

  /// A descriptor for /dev/null.
  package static func openNull() throws(SystemError) -> Int32 {
    let fd = open("/dev/null", O_RDWR | O_CLOEXEC)
    guard fd >= 0 else { throw SystemError("open", .current, subject: "/dev/null") }
    return fd
  }

  /// Opens `path` for this process alone; nil when another process has it. The lock lives as long as the descriptor.
  /// The holder may remove the file.
  package static func openLocked(_ path: String, mode: UInt32) throws(SystemError) -> Int32? {
    while true {
      guard let fd = try lock(path, mode: mode) else { return nil }
      // The holder before may have removed the file between our open and our lock: then nobody else sees this one.
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
    let fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode_t(mode))
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    if flock(fd, LOCK_EX | LOCK_NB) == 0 { return fd }
    let reason = Errno.current
    Descriptor.close(fd)
    if reason == .wouldBlock { return nil }
    throw SystemError("flock", reason, subject: path)
  }

  /// Replaces what an open file holds.
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

  private static func systemRead(_ fd: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int)
    -> Int
  {
    #if canImport(Glibc)
      Glibc.read(fd, bytes, count)
    #else
      Darwin.read(fd, bytes, count)
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

  /// As many descriptors as the system lets this process have, up to 2^20.
  package static func raiseDescriptorLimit() {
    #if canImport(Glibc)
      let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
      let resource = RLIMIT_NOFILE
    #endif
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
  /// Makes a pipe hold 1 MiB, where the system knows how and lets us.
  package static func enlargePipe(_ fd: Int32) {
    #if os(Linux)
      // F_SETPIPE_SZ, which the importer does not bring.
      _ = fcntl(fd, 1031, Int32(1 << 20))
    #endif
  }
}
