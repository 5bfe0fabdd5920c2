// SPDX-License-Identifier: Apache-2.0
//
// UDP through the whole plugin, to real sockets on the host's loopback.

import NetStack
import PluginAPI
import Testing
import Wire

@testable import SlirpCore

@Suite(.timeLimit(.minutes(5))) struct UDPTests {
  @Test func `a datagram to the gateway reaches the host's loopback and its answer comes back`()
    throws
  {
    let host = try TestHost()
    let guest = TestGuest(host)
    let server = try TestSocket.udp()
    let remote = Endpoint(TestGuest.gateway, port: server.port)
    guest.sendUDP(from: 4000, to: remote, Array("hello".utf8))
    let (bytes, source) = try #require(server.receiveFrom())
    #expect(bytes == Array("hello".utf8))
    #expect(source.address == .loopbackV4)
    server.send(Array("world".utf8), to: source)
    try guest.wait("the answer") { !guest.datagrams.isEmpty }
    #expect(
      guest.datagrams == [.init(source: remote, port: 4000, payload: Array("world".utf8))])
    #expect(guest.malformed == 0)
  }

  @Test func `one guest port is one host port, whatever the remote`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    let servers = [try TestSocket.udp(), try TestSocket.udp()]
    for server in servers {
      guest.sendUDP(from: 4000, to: Endpoint(TestGuest.gateway, port: server.port), [1])
    }
    let sources = servers.compactMap { $0.receiveFrom()?.source }
    #expect(sources.count == 2 && sources[0] == sources[1])
    guest.sendUDP(from: 4001, to: Endpoint(TestGuest.gateway, port: servers[0].port), [1])
    let other = try #require(servers[0].receiveFrom()?.source)
    #expect(other.port != sources[0].port)
  }

  @Test func `a whole batch arrives in order and intact`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    let server = try TestSocket.udp()
    let remote = Endpoint(TestGuest.gateway, port: server.port)
    // Runs of equal size, a shorter one, an empty one: what UDP_SEGMENT could join.
    let payloads = (0..<100).map { index in
      [UInt8](repeating: UInt8(index), count: index % 17 == 0 ? index / 17 : 1000)
    }
    host.rx(guest.port, payloads.map { guest.udp(from: 4000, to: remote, $0) })
    var received: [[UInt8]] = []
    var source: Endpoint?
    while let (bytes, from) = server.receiveFrom() {
      received.append(bytes)
      source = from
    }
    #expect(received == payloads)
    // And back.
    let back = try #require(source)
    for payload in payloads.prefix(60) { server.send(payload, to: back) }
    try guest.wait("all of it") { guest.datagrams.count >= 60 }
    #expect(guest.datagrams.map(\.payload) == Array(payloads.prefix(60)))
    #expect(guest.malformed == 0)
  }

  @Test func `a datagram longer than the MTU comes in fragments`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    let server = try TestSocket.udp()
    guest.sendUDP(from: 4000, to: Endpoint(TestGuest.gateway, port: server.port), [1])
    let source = try #require(server.receiveFrom()?.source)
    for size in [1472, 1473, 9000, 65507] {
      let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      server.send(payload, to: source)
      try guest.wait("\(size) bytes") { !guest.datagrams.isEmpty }
      #expect(guest.datagrams.removeFirst().payload == payload)
    }
    #expect(guest.malformed == 0)
  }

  @Test func `a refused port is an ICMP error with the guest's own datagram in it`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    let unused = try TestSocket.udp().port
    guest.sendUDP(from: 4000, to: Endpoint(TestGuest.gateway, port: unused), Array("knock".utf8))
    try guest.wait("the error") { !guest.messages.isEmpty }
    let message = guest.messages[0]
    #expect(message.source == TestGuest.gateway)
    #expect(message.header.type == ICMPv4Type.destinationUnreachable)
    #expect(message.header.code == ICMPv4Unreachable.port)
    try message.payload.withByteView { bytes in
      let quoted = try #require(IPv4Packet(checking: bytes))
      #expect(quoted.source == guest.address)
      #expect(quoted.destination == TestGuest.gateway)
      let udp = try #require(UDPPacket(checking: quoted.payload))
      #expect(udp.sourcePort == 4000 && udp.destinationPort == unused)
      #expect(udp.payload.bytes == Array("knock".utf8))
    }
    // And the next datagram is not lost to the pending error.
    let server = try TestSocket.udp()
    guest.sendUDP(from: 4000, to: Endpoint(TestGuest.gateway, port: unused), [1])
    guest.sendUDP(from: 4000, to: Endpoint(TestGuest.gateway, port: server.port), [2])
    #expect(server.receiveFrom()?.bytes == [2])
  }

  @Test func `an address that was spoken to may answer from another port`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    let server = try TestSocket.udp()
    guest.sendUDP(from: 4000, to: Endpoint(TestGuest.gateway, port: server.port), [1])
    let mapped = try #require(server.receiveFrom()?.source)
    let neighbour = try TestSocket.udp(bound: false)
    neighbour.send([9], to: mapped)
    try guest.wait("the neighbour's") { !guest.datagrams.isEmpty }
    #expect(guest.datagrams[0].payload == [9])
    #expect(guest.datagrams[0].source.address == TestGuest.gateway)
  }

  @Test func `without hostLoopback the gateway's ports are closed`() throws {
    let host = try TestHost(options: #"{"hostLoopback": false}"#)
    let guest = TestGuest(host)
    let server = try TestSocket.udp()
    guest.sendUDP(from: 4000, to: Endpoint(TestGuest.gateway, port: server.port), [1])
    try guest.wait("the error") { !guest.messages.isEmpty }
    #expect(guest.messages[0].header.code == ICMPv4Unreachable.port)
    #expect(server.receiveFrom() == nil)
  }

  @Test func `the last hop of a packet ends here with time exceeded`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    guest.sendUDP(from: 4000, to: Endpoint(IPAddress(192, 0, 2, 1), port: 33434), [1], ttl: 1)
    try guest.wait("the error") { !guest.messages.isEmpty }
    #expect(guest.messages[0].header.type == ICMPv4Type.timeExceeded)
    #expect(guest.messages[0].source == TestGuest.gateway)
  }

  @Test func `the guest that was idle longest makes room`() throws {
    let host = try TestHost(options: #"{"udp": {"maxFlows": 4}}"#)
    let guest = TestGuest(host)
    let server = try TestSocket.udp()
    let remote = Endpoint(TestGuest.gateway, port: server.port)
    for port in 4000..<UInt16(4010) { guest.sendUDP(from: port, to: remote, [1]) }
    var sources: [Endpoint] = []
    while let (_, source) = server.receiveFrom() { sources.append(source) }
    #expect(sources.count == 10)
    let status = try host.status()
    #expect(status["udp"]?["flows"] == 4)
    #expect(status["udp"]?["evicted"] == 6)
    server.send([7], to: sources[9])
    try guest.wait("the youngest's answer") { !guest.datagrams.isEmpty }
    #expect(guest.datagrams[0].port == 4009)
    #expect(host.finish() == (0, 0))
  }

  @Test func `two guests with the same address and port have sockets of their own`() throws {
    let host = try TestHost()
    let a = TestGuest(host, port: 1, name: "a")
    let b = TestGuest(host, port: 2, name: "b")
    let server = try TestSocket.udp()
    let remote = Endpoint(TestGuest.gateway, port: server.port)
    a.sendUDP(from: 4000, to: remote, [1])
    b.sendUDP(from: 4000, to: remote, [2])
    for _ in 0..<2 {
      let (bytes, source) = try #require(server.receiveFrom())
      server.send(bytes, to: source)
    }
    try a.wait("a's") { !a.datagrams.isEmpty }
    try b.wait("b's") { !b.datagrams.isEmpty }
    #expect(a.datagrams.map(\.payload) == [[1]])
    #expect(b.datagrams.map(\.payload) == [[2]])
    host.portDown(1)
    #expect(try host.status()["udp"]?["flows"] == 1)
  }
}
