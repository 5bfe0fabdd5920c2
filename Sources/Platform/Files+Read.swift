// SPDX-License-Identifier: Apache-2.0
//
// Reading files by path on a loop's thread. The files are untrusted: only regular files are opened (a named pipe
// blocks until it has a writer, a device may have side effects), and at most a limit is read. Links are followed,
// because users keep configuration elsewhere.

import LibC

extension Files {
  /// The whole file; EFBIG when it is larger than `limit` bytes.
  package static func read(
    _ path: String, limit: Int, followLinks: Bool = true
  ) throws(SystemError) -> [UInt8] {
    let fd = try openForReading(path, followLinks: followLinks)
    defer { Descriptor.close(fd) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = readSome(fd, &chunk)
      if count < 0 { throw SystemError("read", .current, subject: path) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      if bytes.count > limit {
        throw SystemError(
          "read", .tooLarge, subject: path, detail: "it has more than \(limit) bytes")
      }
    }
  }

  /// At most the last `limit` bytes.
  package static func tail(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
    let fd = try openForReading(path)
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

  /// A descriptor of a regular file. Every file whose name or contents are untrusted is opened by
  /// this function; it does not block.
  /// - Parameter followLinks: whether a symbolic link is followed, or refused.
  package static func openForReading(
    _ path: String, followLinks: Bool = true
  ) throws(SystemError) -> Int32 {
    // The type is checked before opening, too: opening some devices has side effects.
    try refuse(try info(path, followLinks: followLinks).kind, path)
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
    let fd = open(path, followLinks ? flags : flags | O_NOFOLLOW)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    return try checked(fd, path)
  }

  /// Reads once, as much as fits: bytes, 0 at the end, -1 with errno set.
  package static func readSome(_ fd: Int32, _ buffer: inout [UInt8]) -> Int {
    while true {
      let count = buffer.withUnsafeMutableBytes { systemRead(fd, $0.baseAddress, $0.count) }
      if count >= 0 || errno != EINTR { return count }
    }
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
}
