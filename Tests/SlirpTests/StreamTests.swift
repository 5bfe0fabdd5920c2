// SPDX-License-Identifier: Apache-2.0
//
// TCP and DNS through the whole plugin.

import LimaNetdSDK
import NetStack
import PluginAPI
import Testing
import Wire

@testable import SlirpCore

@Suite(.timeLimit(.minutes(5))) struct StreamTests {
  @Test func `a TCP echo through the gateway is intact and ends both ways`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    let listener = try TestSocket.listener()
    let connection = TestConnection(
      guest, from: 5000, to: Endpoint(TestGuest.gateway, port: listener.port))
    var server: TestSocket?
    try connection.wait("the connection") {
      server = server ?? listener.accept()
      return connection.isOpen && server != nil
    }
    let socket = try #require(server)
    let data = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    connection.write(data)
    connection.finish()
    var isDone = false
    try connection.wait("the echo") {
      if !isDone {
        if let bytes = socket.read() {
          socket.write(bytes)
        } else {
          isDone = true
          server = nil
        }
      }
      return connection.received.count >= data.count
    }
    #expect(connection.received == data)
    #expect(guest.malformed == 0)
  }

  @Test func `a closed port is a reset`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    let unused = try TestSocket.udp().port
    let connection = TestConnection(
      guest, from: 5000, to: Endpoint(TestGuest.gateway, port: unused))
    try connection.wait("the reset") { connection.isReset }
  }

  /// A header with this id, and `count` bytes after it.
  private func message(_ id: UInt8, _ count: Int = 20) -> [UInt8] {
    [0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: id, count: count)
  }

  @Test func `DNS over UDP is answered in the stack`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    host.answerDNS = { $0 + [0xaa] }
    let dns = Endpoint(TestGuest.dns, port: 53)
    for id in 0..<UInt8(20) { guest.sendUDP(from: 6000 + UInt16(id), to: dns, message(id)) }
    try guest.wait("the answers") { guest.datagrams.count == 20 }
    for datagram in guest.datagrams {
      #expect(datagram.source == dns)
      #expect(datagram.payload == message(UInt8(datagram.port - 6000)) + [0xaa])
    }
    #expect(host.dnsTransports.allSatisfy { $0 == LND_DNS_UDP })
    // What is no DNS message is not asked.
    guest.sendUDP(from: 6000, to: dns, [1, 2, 3])
    #expect(host.dnsTransports.count == 20)
  }

  @Test func `DNS over TCP is framed, and questions need not wait for answers`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    host.answerDNS = { $0 + [UInt8](repeating: 0xbb, count: 3000) }
    let connection = TestConnection(guest, from: 5000, to: Endpoint(TestGuest.dns, port: 53))
    try connection.wait("the connection") { connection.isOpen }
    let questions = (0..<UInt8(50)).map { message($0) }
    let stream = questions.flatMap { [UInt8(0), UInt8($0.count)] + $0 }
    // In pieces that cut messages and lengths.
    for start in stride(from: 0, to: stream.count, by: 333) {
      connection.write(Array(stream[start..<min(start + 333, stream.count)]))
    }
    connection.finish()
    let size = 2 + questions[0].count + 3000
    try connection.wait("the answers") { connection.received.count >= 50 * size }
    var ids: Set<UInt8> = []
    for index in 0..<50 {
      let answer = Array(connection.received[index * size..<(index + 1) * size])
      #expect(Int(answer[0]) << 8 | Int(answer[1]) == size - 2)
      ids.insert(answer[3])
    }
    #expect(ids.count == 50)
    #expect(host.dnsTransports.allSatisfy { $0 == LND_DNS_TCP })
    try connection.wait("the end") { connection.isAtEnd }
  }

  @Test func `a question without an answer ends the stream it came by`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    let connection = TestConnection(guest, from: 5000, to: Endpoint(TestGuest.dns, port: 53))
    try connection.wait("the connection") { connection.isOpen }
    connection.write([0, 5, 1, 2, 3, 4, 5])
    try connection.wait("the end") { connection.isAtEnd || connection.isReset }
  }

  @Test func `a guest that leaves takes its questions with it`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    host.answerDNS = { $0 }
    guest.sendUDP(from: 6000, to: Endpoint(TestGuest.dns, port: 53), message(1))
    host.portDown(guest.port)
    host.run(seconds: 0.05)
    #expect(try host.status()["dnsIntercept"]?["pending"] == 0)
    #expect(host.finish() == (0, 0))
  }

  @Test func `other ports of the DNS address are closed`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    guest.sendUDP(from: 6000, to: Endpoint(TestGuest.dns, port: 54), [1])
    guest.collect()
    #expect(guest.messages.first?.header.code == ICMPv4Unreachable.port)
  }
}
