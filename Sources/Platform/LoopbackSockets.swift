// SPDX-License-Identifier: Apache-2.0
//
// Sockets bound to 127.0.0.1, for servers that other machines must not reach.

import LibC

package enum LoopbackSockets {
  /// A UDP socket, non-blocking.
  /// - Parameter port: 0 for any free port.
  package static func datagram(port: UInt16) throws(SystemError) -> Int32 {
    try bound(Sockets.datagram, port)
  }

  /// A TCP socket that listens, non-blocking.
  package static func listener(port: UInt16, backlog: Int32 = 512) throws(SystemError) -> Int32 {
    let fd = try bound(Sockets.stream, port)
    let result = Sockets.listen(fd, backlog)
    guard result == 0 else {
      Descriptor.close(fd)
      throw SystemError("listen", Errno(Int32(truncatingIfNeeded: -result)))
    }
    return fd
  }

  /// Both kinds on one port, where at most one port is given and the other kind's is free.
  /// - Parameters:
  ///   - udp: nil: TCP's port, else any free one; 0: any free one.
  ///   - tcp: the same.
  package static func pair(
    udp: UInt16?, tcp: UInt16?
  ) throws(SystemError) -> (udp: Int32, tcp: Int32) {
    let wanted = (udp: udp.flatMap { $0 == 0 ? nil : $0 }, tcp: tcp.flatMap { $0 == 0 ? nil : $0 })
    // A port that is free for one kind need not be free for the other: repeated, usually once.
    for attempt in 0..<32 {
      let first = try datagram(port: wanted.udp ?? wanted.tcp ?? 0, orAny: wanted.udp == nil)
      do throws(SystemError) {
        let number = try port(of: first)
        // The last attempt takes any port.
        let any = wanted.tcp == nil && (attempt == 31 || wanted.udp != nil)
        return (first, try listener(port: wanted.tcp ?? number, orAny: any))
      } catch {
        Descriptor.close(first)
        guard error.errno == .addressInUse, wanted.tcp == nil, wanted.udp == nil else {
          throw error
        }
      }
    }
    throw SystemError("bind", .addressInUse, subject: "127.0.0.1")
  }

  private static func datagram(port: UInt16, orAny: Bool) throws(SystemError) -> Int32 {
    do throws(SystemError) {
      return try datagram(port: port)
    } catch {
      guard orAny, port != 0, error.errno == .addressInUse else { throw error }
      return try datagram(port: 0)
    }
  }

  private static func listener(port: UInt16, orAny: Bool) throws(SystemError) -> Int32 {
    do throws(SystemError) {
      return try listener(port: port)
    } catch {
      guard orAny, error.errno == .addressInUse else { throw error }
      return try listener(port: 0)
    }
  }

  /// The port a socket is bound to.
  package static func port(of fd: Int32) throws(SystemError) -> UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Sockets.getsockname(fd, $0, &length) }
    }
    guard result == 0 else {
      throw SystemError("getsockname", Errno(Int32(truncatingIfNeeded: -result)))
    }
    return UInt16(bigEndian: address.sin_port)
  }

  private static func bound(_ type: Int32, _ port: UInt16) throws(SystemError) -> Int32 {
    let result = Sockets.socket(AF_INET, type, 0)
    guard result >= 0 else {
      throw SystemError("socket", Errno(Int32(truncatingIfNeeded: -result)))
    }
    let fd = Int32(result)
    // A restarted server must not wait for connections in TIME-WAIT.
    if type == Sockets.stream { _ = Sockets.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let code = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Sockets.bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard code == 0 else {
      Descriptor.close(fd)
      throw SystemError(
        "bind", Errno(Int32(truncatingIfNeeded: -code)), subject: "127.0.0.1:\(port)")
    }
    return fd
  }
}
