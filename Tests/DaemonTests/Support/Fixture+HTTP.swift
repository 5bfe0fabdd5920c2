// SPDX-License-Identifier: Apache-2.0
//
// Requests to the fixture's sockets, while the test's thread turns the supervisor.

import Platform
import Testing

@testable import Daemon

extension Fixture {
  struct Answer: Equatable {
    var status: Int
    var head: String
    var body: String
  }

  /// One request over a connection of its own, to the control API or to `socket`.
  func ask(_ method: String, _ path: String, _ body: String = "", at socket: String? = nil) throws
    -> Answer
  {
    let fd = try UnixSocket.connect(path: socket ?? home.controlSocket)
    defer { Descriptor.close(fd) }
    let head =
      "\(method) \(path) HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n"
      + "Content-Length: \(body.utf8.count)\r\n\r\n"
    try Files.writeAll(fd, Array((head + body).utf8))
    let text = String(decoding: try readToEnd(fd), as: UTF8.self)
    let parts = text.split(separator: "\r\n\r\n", maxSplits: 1).map(String.init)
    let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return Answer(
      status: try #require(status), head: parts[0], body: parts.count > 1 ? parts[1] : "")
  }

  func readToEnd(_ fd: Int32) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    let ended = until {
      let count = Files.readSome(fd, &buffer)
      if count > 0 { bytes += buffer[..<count] }
      return count == 0
    }
    #expect(ended, "the connection stays open")
    return bytes
  }

  /// At least `count` bytes.
  func read(_ fd: Int32, _ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    until {
      let more = Files.readSome(fd, &buffer)
      if more > 0 { bytes += buffer[..<more] }
      return more == 0 || bytes.count >= count
    }
    return bytes
  }
}
