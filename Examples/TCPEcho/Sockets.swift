// SPDX-License-Identifier: Apache-2.0
//
// The two programs at the ends, with ordinary sockets of the machine.

import Glibc

struct Failure: Error, CustomStringConvertible {
  var text: String
  var description: String { "\(text): \(String(cString: strerror(errno)))" }
}

/// Calls `body` with 127.0.0.1 and a port.
private func withLoopback<Result>(
  _ port: UInt16, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result
) -> Result {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  return withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
}

/// Takes one connection and sends back what it receives.
final class EchoServer {
  let port: UInt16
  private let listener: Int32
  private var connection: Int32 = -1

  init() throws {
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
    let fd = listener
    var port: UInt16 = 0
    let isBound = withLoopback(0) { address, size in
      var size = size
      guard bind(fd, address, size) == 0, listen(fd, 1) == 0, getsockname(fd, address, &size) == 0
      else { return false }
      port = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        UInt16(bigEndian: $0.pointee.sin_port)
      }
      return true
    }
    guard isBound else { throw Failure(text: "cannot listen") }
    self.port = port
  }

  func step() {
    if connection < 0 { connection = accept(listener, nil, nil) }
    guard connection >= 0 else { return }
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = recv(connection, &buffer, buffer.count, Int32(MSG_DONTWAIT))
    if count > 0 { _ = Glibc.send(connection, buffer, count, Int32(MSG_NOSIGNAL)) }
  }
}

final class Client {
  private(set) var received = ""
  /// The connection ended.
  private(set) var isOver = false
  private let fd: Int32

  init(port: UInt16) throws {
    fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let fd = fd
    guard withLoopback(port, { connect(fd, $0, $1) }) == 0 else {
      throw Failure(text: "cannot connect")
    }
  }

  func send(_ text: String) {
    _ = Glibc.send(fd, text, text.utf8.count, Int32(MSG_NOSIGNAL))
  }

  func step() {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = recv(fd, &buffer, buffer.count, Int32(MSG_DONTWAIT))
    if count > 0 { received += String(decoding: buffer[..<count], as: UTF8.self) }
    if count == 0 { isOver = true }
  }
}
