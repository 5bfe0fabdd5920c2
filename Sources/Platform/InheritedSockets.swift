// SPDX-License-Identifier: Apache-2.0
//
// InheritedSockets: listening sockets passed by a service manager (socket activation): descriptors from 3 on,
// announced by LISTEN_PID and LISTEN_FDS (sd_listen_fds(3)). The manager owns them: their files stay when this
// process ends, and clients that connect meanwhile wait in the backlog. `UnixSocket.serve` looks its path up here.
// Any thread.

import LibC
import Synchronization

package enum InheritedSockets {
  private struct Key: Hashable {
    var path: String
    var type: UnixSocket.Kind
  }

  private static let sockets = Mutex<[Key: Int32]>([:])
  /// The first passed descriptor (SD_LISTEN_FDS_START).
  private static let first: Int32 = 3
  private static let most = 1024

  /// Adopts them, once, before this process opens descriptors of its own, and removes the variables from the
  /// environment, so that no child inherits them.
  /// - Returns: the paths.
  @discardableResult
  package static func adopt() -> [String] {
    let environment = CurrentProcess.environment
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
    guard environment["LISTEN_PID"].flatMap(Int32.init) == CurrentProcess.id,
      let count = environment["LISTEN_FDS"].flatMap(Int.init), (1...most).contains(count)
    else { return [] }
    return adopt(Array(first..<first + Int32(count)))
  }

  /// The adopted sockets, to be handed to the program that takes this one's place.
  package static var descriptors: [Int32] { sockets.withLock { $0.values.sorted() } }

  /// Those of the program whose place this one has taken.
  /// - Returns: the paths.
  @discardableResult
  package static func adopt(_ descriptors: [Int32]) -> [String] {
    var found: [Key: Int32] = [:]
    for fd in descriptors {
      guard (try? Descriptor.setCloseOnExec(fd)) != nil, let key = key(of: fd),
        (try? Descriptor.setNonBlocking(fd)) != nil
      else { continue }
      found[key] = fd
    }
    let all = found
    sockets.withLock { $0 = all }
    return all.keys.map(\.path).sorted()
  }

  /// The paths of the adopted sockets.
  package static var paths: [String] { sockets.withLock { $0.keys.map(\.path).sorted() } }

  /// A duplicate descriptor of the socket at `path`, to be closed by the caller; nil: there is none, or its file is
  /// gone.
  static func socket(at path: String, type: UnixSocket.Kind) -> Int32? {
    guard let fd = sockets.withLock({ $0[Key(path: canonical(path), type: type)] }),
      (try? Files.info(path, followLinks: false))?.kind == .socket
    else { return nil }
    return try? Descriptor.duplicate(fd)
  }

  /// Nil: not a unix socket with a path, or one that does not listen.
  private static func key(of fd: Int32) -> Key? {
    var type: Int32 = 0
    var listens: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard systemGetsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 else { return nil }
    _ = systemGetsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size)
    guard let path = UnixSocket.path(of: fd) else { return nil }
    switch type {
    case UnixSocket.Kind.datagram.raw: return Key(path: canonical(path), type: .datagram)
    case UnixSocket.Kind.stream.raw where listens != 0:
      return Key(path: canonical(path), type: .stream)
    default: return nil
    }
  }

  /// The path with its directory resolved: units and LIMA_HOME may use different paths to it.
  private static func canonical(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/"), slash > path.startIndex,
      let folder = try? Files.realPath(String(path[..<slash]))
    else { return path }
    return folder + path[slash...]
  }
}

extension UnixSocket {
  /// The path a socket is bound to; nil: unbound or without a path.
  static func path(of fd: Int32) -> String? {
    var address = sockaddr_un()
    var length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { systemGetsockname(fd, $0, &length) }
    }
    guard result == 0, address.sun_family == sa_family_t(AF_UNIX) else { return nil }
    let bytes = withUnsafeBytes(of: &address.sun_path) { Array($0.prefix { $0 != 0 }) }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}
