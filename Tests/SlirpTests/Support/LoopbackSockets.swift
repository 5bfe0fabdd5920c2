// SPDX-License-Identifier: Apache-2.0
//
// Servers and clients on the host's loopback, non-blocking, polled by the test itself.

import LibC
import NetStack
import Platform
import Wire

/// A socket of the test; closed with it.
final class TestSocket {
  let fd: Int32

  init(_ fd: Int32) { self.fd = fd }

  deinit { close(fd) }

  static func udp(bound: Bool = true) throws -> TestSocket {
    let socket = try make(SOCK_DGRAM)
    if bound { try socket.bind() }
    return socket
  }

  static func listener() throws -> TestSocket {
    let socket = try make(SOCK_STREAM)
    try socket.bind()
    guard listen(socket.fd, 16) == 0 else { throw TestHost.Timeout(what: "listen") }
    return socket
  }

  static func connected(to endpoint: Endpoint) throws -> TestSocket {
    let socket = try make(SOCK_STREAM, endpoint.address.isV4 ? AF_INET : AF_INET6)
    _ = SocketAddress(endpoint).withSockaddr { connect(socket.fd, $0, $1) }
    return socket
  }

  static func connected(toPath path: String) throws -> TestSocket {
    TestSocket(try UnixSocket.connect(path: path))
  }

  private static func make(_ type: __socket_type, _ family: Int32 = AF_INET) throws -> TestSocket {
    let fd = socket(
      family, Int32(type.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard fd >= 0 else { throw TestHost.Timeout(what: "a socket") }
    return TestSocket(fd)
  }

  private func bind() throws {
    let result = SocketAddress(Endpoint(.loopbackV4, port: 0)).withSockaddr {
      Glibc.bind(fd, $0, $1)
    }
    guard result == 0 else { throw TestHost.Timeout(what: "bind") }
  }

  var port: UInt16 {
    var address = SocketAddress()
    _ = address.withMutableSockaddr { getsockname(fd, $0, $1) }
    return address.endpoint?.port ?? 0
  }

  func accept() -> TestSocket? {
    let client = Int32(Sockets.accept(fd, nil, nil))
    return client >= 0 ? TestSocket(client) : nil
  }

  func receiveFrom() -> (bytes: [UInt8], source: Endpoint)? {
    var address = SocketAddress()
    var bytes = [UInt8](repeating: 0, count: 65536)
    let count = address.withMutableSockaddr { recvfrom(fd, &bytes, bytes.count, 0, $0, $1) }
    guard count >= 0, let source = address.endpoint else { return nil }
    return (Array(bytes.prefix(count)), source)
  }

  func send(_ bytes: [UInt8], to endpoint: Endpoint) {
    _ = SocketAddress(endpoint).withSockaddr { sendto(fd, bytes, bytes.count, 0, $0, $1) }
  }

  /// What is there; nil at the end of the stream.
  func read() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 65536)
    let count = Glibc.read(fd, &bytes, bytes.count)
    if count == 0 { return nil }
    return count > 0 ? Array(bytes.prefix(count)) : []
  }

  func write(_ bytes: [UInt8]) { _ = Glibc.send(fd, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
}
