// SPDX-License-Identifier: Apache-2.0
//
// Fields of a guest's IP and UDP headers that are carried to the host's socket and back: Don't Fragment, traffic class,
// port numbers.

import LibC
import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(5))) struct CarriedHeaderTests {
  let server = DatagramWorld.server
  let other = Endpoint(IPAddress(10, 9, 9, 9), port: 4444)
  private let dontFragment: Int32 = 2
  private let mayFragment: Int32 = 0

  @Test func `Don't Fragment is the socket's, too, for each datagram of a batch`() throws {
    let world = try DatagramWorld()
    let flags = [true, true, false, true]
    world.send(
      batch: flags.enumerated().map { index, flag in
        world.udp(from: 4000, to: server, [UInt8(index)], dontFragment: flag)
      })
    #expect(world.kernel.sent.map(\.payload) == [[0], [1], [2], [3]])
    #expect(world.kernel.discoveries == flags.map { $0 ? dontFragment : mayFragment })
    #expect(world.kernel.open.count == 1)
  }

  @Test func `the host's loopback is as wide as any datagram`() throws {
    let world = try DatagramWorld()
    let host = Endpoint(DatagramWorld.gateway, port: 53_000)
    world.send(
      world.udp(from: 4000, to: host, [1]),
      world.udp(from: 4000, to: host, [2], dontFragment: false))
    #expect(world.kernel.discoveries == [nil, nil])
    #expect(world.kernel.batches == [1])
  }

  @Test func `a datagram that does not fit is told with the path's MTU`() throws {
    let world = try DatagramWorld()
    // EMSGSIZE of sendmmsg, alone and in a train, and the entries that the kernel queues beside it.
    // They name no destination, and the inbox has somebody else's in its memory.
    world.send(world.udp(from: 4000, to: other, [1]))
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.incoming = [.init(source: other, payload: [2])]
    world.poll()
    world.kernel.localMTU = 1280
    world.kernel.sendErrors = [EMSGSIZE, EMSGSIZE]
    world.send(
      world.udp(from: 4000, to: server, [UInt8](repeating: 1, count: 1400)),
      world.udp(from: 4000, to: server, [3]))
    #expect(world.kernel.sent.last?.payload == [3])
    let messages = world.messages()
    #expect(messages.count == 1)
    let message = try #require(messages.first)
    #expect(message.source == DatagramWorld.gateway)
    #expect(message.header.code == ICMPv4Unreachable.fragmentationNeeded)
    #expect(message.header.rest == 1280)
    message.payload.withByteView { bytes in
      let ip = IPv4Packet(checking: bytes)
      #expect(ip?.destination == server.address)
      #expect(ip.flatMap { UDPPacket(checking: $0.payload) }?.sourcePort == 4000)
    }
  }

  @Test func `a ping that does not fit is told with the path's MTU`() throws {
    let world = try DatagramWorld()
    world.kernel.localMTU = 1280
    world.kernel.sendErrors = [EMSGSIZE, EMSGSIZE]
    world.send(world.echo(7, 3, to: server.address))
    let message = try #require(world.messages().first)
    #expect(message.header.code == ICMPv4Unreachable.fragmentationNeeded)
    #expect(message.header.rest == 1280)
  }

  @Test func `the traffic class goes both ways`() throws {
    let world = try DatagramWorld()
    world.send(
      world.udp(from: 4000, to: server, [1], trafficClass: 0xb8),
      world.udp(from: 4000, to: server, [2], trafficClass: 0xb8),
      world.udp(from: 4000, to: server, [3], trafficClass: 0x02))
    let fd = try #require(world.kernel.open.first)
    #expect(
      world.kernel.sockets[fd]?.options["\(SocketConstant.levelIP)/\(SocketConstant.trafficClass)"]
        == 0xb8)
    #expect(world.kernel.sent.map(\.trafficClass) == [nil, nil, 0x02])
    world.kernel.sockets[fd]?.incoming = [
      .init(source: server, payload: [4], trafficClass: 0x03), .init(source: server, payload: [5]),
    ]
    world.poll()
    #expect(world.headers(IPProtocol.udp).map(\.trafficClass) == [0x03, 0])
  }

  @Test func `datagrams to a guest may be cut by its own routers`() throws {
    let world = try DatagramWorld()
    world.send(world.udp(from: 4000, to: server, [1]))
    let fd = try #require(world.kernel.open.first)
    world.kernel.sockets[fd]?.incoming = [
      .init(source: server, payload: [4]), .init(source: server, payload: [5]),
    ]
    world.poll()
    let headers = world.headers(IPProtocol.udp)
    #expect(headers.allSatisfy { !$0.dontFragment } && headers.count == 2)
    #expect(Set(headers.map(\.identification)).count == 2)
  }

  // MARK: The port

  @Test func `a guest's port is kept where it is free`() throws {
    let world = try DatagramWorld()
    world.send(world.udp(from: 40_000, to: server, [1]))
    let fd = try #require(world.kernel.open.first)
    #expect(world.kernel.sockets[fd]?.bound == Endpoint(.anyV4, port: 40_000))
    world.kernel.bindError = EADDRINUSE
    world.send(world.udp(from: 40_001, to: server, [2]))
    #expect(world.kernel.sent.map(\.payload) == [[1], [2]])
  }

  @Test(arguments: [68, 1023, 5353, 32_767] as [UInt16])
  func `a port that may be a service's is not taken from the host`(port: UInt16) throws {
    let world = try DatagramWorld()
    world.send(world.udp(from: port, to: server, [1]))
    let fd = try #require(world.kernel.open.first)
    #expect(world.kernel.sockets[fd]?.bound == nil)
  }

  @Test func `a datagram never comes back to the socket it left from`() throws {
    let world = try DatagramWorld()
    let local = IPAddress(10, 0, 0, 7)
    world.kernel.hostAddresses = [local]
    world.send(world.udp(from: 40_000, to: server, [1]))
    // That port of the host is this flow's own, so that no server can have it.
    world.send(world.udp(from: 40_000, to: Endpoint(DatagramWorld.gateway, port: 40_000), [2]))
    world.send(world.udp(from: 40_000, to: Endpoint(local, port: 40_000), [3]))
    #expect(
      world.messages().map(\.header.code) == [ICMPv4Unreachable.port, ICMPv4Unreachable.port])
    // On another host the same port number is a different endpoint.
    world.send(world.udp(from: 40_000, to: Endpoint(server.address, port: 40_000), [4]))
    #expect(world.kernel.sent.map(\.payload) == [[1], [4]])
    #expect(world.kernel.open.count == 1)
  }

  // MARK: Scarce sockets

  @Test func `the flow that was idle longest makes room, of whatever protocol`() throws {
    let world = try DatagramWorld()
    world.kernel.maximumOpen = 2
    world.send(world.echo(7, 1, to: server.address))
    world.host.now += 1_000_000_000
    world.send(world.udp(from: 4000, to: server, [1]))
    world.host.now += 1_000_000_000
    world.send(world.udp(from: 4001, to: server, [2]))
    #expect(world.stack.icmp.flowCount == 0 && world.stack.udp.flowCount == 2)
    world.host.now += 1_000_000_000
    world.send(world.echo(8, 1, to: server.address))
    #expect(world.stack.icmp.flowCount == 1 && world.stack.udp.flowCount == 1)
    #expect(world.host.log.isEmpty && world.kernel.open.count == 2)
  }

  @Test func `want of sockets is in the log once a minute, with how often it was`() throws {
    let world = try DatagramWorld()
    world.kernel.maximumOpen = 0
    for port in 4000..<4100 as Range<UInt16> { world.send(world.udp(from: port, to: server, [1])) }
    #expect(world.host.log.count == 1)
    #expect(world.host.log.first?.contains("Too many open files") == true)
    world.host.now += 61_000_000_000
    world.send(world.udp(from: 4000, to: server, [1]))
    #expect(world.host.log.count == 2)
    #expect(world.host.log.last?.contains("99 times") == true)
    // Sockets are there again: everything goes on.
    world.kernel.maximumOpen = 10
    world.send(world.udp(from: 4000, to: server, [9]))
    #expect(world.kernel.sent.map(\.payload) == [[9]])
  }
}
