// SPDX-License-Identifier: Apache-2.0
//
// Unix sockets by path, and their peers' credentials. A stale socket file is replaced only when no process listens
// behind it. Nothing here blocks unless a duration is passed.

import LibC
import CPlatform

package enum UnixSocket {
  package enum Kind: Sendable {
    case stream
    case datagram

    var raw: Int32 {
      #if canImport(Glibc)
        Int32(self == .stream ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue)
      #else
        self == .stream ? SOCK_STREAM : SOCK_DGRAM
      #endif
    }
  }

  package struct Credentials: Hashable, Sendable {
    /// 0 where the system does not report it.
    package let pid: Int32
    package let uid: UInt32
    package let gid: UInt32
  }

  /// Maximum bytes of a path: sun_path without its NUL.
  package static let maximumPathLength = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

  /// A listening or bound socket, and its file.
  package struct Bound: Sendable {
    package let fd: Int32
    /// Nil when the file was replaced at once, or belongs to a service manager (`InheritedSockets`).
    package let file: SocketFile?

    /// Unlinks the file if it is still this socket's, and closes the socket.
    package func close() {
      file?.remove()
      Descriptor.close(fd)
    }
  }

  /// As `serve`, for callers that leave the file behind.
  package static func listen(
    path: String, type: Kind = .stream, mode: mode_t = 0o600, backlog: Int32 = 128
  ) throws(SystemError) -> Int32 {
    try serve(path: path, type: type, mode: mode, backlog: backlog).fd
  }

  /// Listens (stream) or binds (datagram) at `path`, non-blocking; the file's permissions are `mode`, regardless of
  /// the umask. A stale socket file is replaced; EADDRINUSE when another process serves it, EEXIST when the file is
  /// not a socket. A socket that a service manager has passed is used as it is.
  package static func serve(
    path: String, type: Kind = .stream, mode: mode_t = 0o600, backlog: Int32 = 128
  ) throws(SystemError) -> Bound {
    if let handed = HandedSockets.take(path, type) { return handed }
    if let fd = InheritedSockets.socket(at: path, type: type) { return Bound(fd: fd, file: nil) }
    let fd = try make(type)
    do throws(SystemError) {
      // Linux creates the file with the socket's mode (minus umask), so its permissions never exceed `mode`.
      _ = fchmod(fd, mode)
      try bind(fd, path, type)
      let file = SocketFile(bound: path)
      if let there = try? Files.info(path, followLinks: false), there.mode != UInt32(mode),
        file?.isThere ?? false
      {
        guard fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) == 0 else {
          throw SystemError("chmod", .current, subject: path)
        }
      }
      if type == .stream {
        guard systemListen(fd, backlog) == 0 else {
          throw SystemError("listen", .current, subject: path)
        }
      }
      try Descriptor.setNonBlocking(fd)
      return Bound(fd: fd, file: file)
    } catch {
      Descriptor.close(fd)
      throw error
    }
  }

  /// Connects; the socket is non-blocking. A unix connect completes at once unless the backlog is full: EAGAIN on
  /// Linux, after `patience`.
  /// - Parameter patience: milliseconds to retry; 0 on a loop's thread.
  package static func connect(
    path: String, type: Kind = .stream, patience: UInt64 = 0
  ) throws(SystemError) -> Int32 {
    let deadline = MonotonicClock.now() &+ patience &* 1_000_000
    while true {
      let fd = try make(type)
      do throws(SystemError) {
        try Descriptor.setNonBlocking(fd)
        let result = try withAddress(path) { systemConnect(fd, $0, $1) < 0 ? -errno : 0 }
        _ = try check("connect", result, subject: path)
        return fd
      } catch {
        Descriptor.close(fd)
        guard error.errno == .wouldBlock, MonotonicClock.now() < deadline else { throw error }
        usleep(10_000)
      }
    }
  }

  /// Two connected sockets, non-blocking, CLOEXEC.
  package static func pair(type: Kind = .stream) throws(SystemError) -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, type.raw, 0, &ends) == 0 else {
      throw SystemError("socketpair", .current)
    }
    for end in ends {
      try Descriptor.setCloseOnExec(end)
      try Descriptor.setNonBlocking(end)
    }
    return (ends[0], ends[1])
  }

  /// The process that made the connection.
  package static func peerCredentials(_ fd: Int32) throws(SystemError) -> Credentials {
    var (pid, uid, gid): (Int32, UInt32, UInt32) = (0, 0, 0)
    _ = try check("getsockopt", plat_peer_credentials(fd, &pid, &uid, &gid))
    return Credentials(pid: pid, uid: uid, gid: gid)
  }

  /// Calls `body` with the address of a path. Throws ENAMETOOLONG, or EINVAL for an empty path or one with a NUL.
  package static func withAddress<Result>(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) throws(SystemError) -> Result {
    let bytes = Array(path.utf8)
    guard bytes.count <= maximumPathLength else {
      throw SystemError("bind or connect to", .nameTooLong, subject: path)
    }
    guard !bytes.isEmpty, !bytes.contains(0) else {
      throw SystemError(
        "bind or connect to", .invalidArgument, subject: path,
        detail: bytes.isEmpty ? "the path is empty" : "a path has no NUL in it")
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  private static func make(_ type: Kind) throws(SystemError) -> Int32 {
    let fd = socket(AF_UNIX, type.raw, 0)
    guard fd >= 0 else { throw SystemError("socket", .current) }
    _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
    return fd
  }

  private static func bind(_ fd: Int32, _ path: String, _ type: Kind) throws(SystemError) {
    for attempt in 0..<3 {
      let result = try withAddress(path) { systemBind(fd, $0, $1) < 0 ? -errno : 0 }
      guard result != 0 else { return }
      guard result == -EADDRINUSE, attempt < 2 else {
        throw SystemError("bind", Errno(-result), subject: path)
      }
      // The conflicting file is gone.
      guard let there = try? Files.info(path, followLinks: false) else { continue }
      guard there.kind == .socket else {
        throw SystemError(
          "bind", .exists, subject: path,
          detail: "\(there.kind.words) is there, and a socket is to be; move it away")
      }
      guard isStale(path, type) else {
        throw SystemError("bind", .addressInUse, subject: path)
      }
      // Only if the file is still the stale one.
      if let now = try? Files.info(path, followLinks: false), now.inode == there.inode,
        now.device == there.device
      {
        unlinkSocket(path)
      }
    }
  }

  /// Precondition: the caller has checked the file's type.
  static func unlinkSocket(_ path: String) { _ = unlink(path) }

  /// A socket file without a listening process. EAGAIN (a full backlog) means that a process listens.
  private static func isStale(_ path: String, _ type: Kind) -> Bool {
    do throws(SystemError) {
      Descriptor.close(try connect(path: path, type: type))
      return false
    } catch {
      return error.errno == .connectionRefused || error.errno == .noSuchFile
    }
  }
}
