// SPDX-License-Identifier: Apache-2.0
//
// NAT64: the mapping of addresses (RFC 6052), egress rules for IPv4 behind it, and datagrams, pings and errors in both
// directions (RFC 6146).

import LibC
import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(1))) struct NAT64Tests {
  private typealias World = DatagramWorld

  private static func own(_ text: String) throws -> NAT64 {
    try #require(CIDR(text).flatMap { NAT64($0) })
  }

  private static func policy(_ nat64: NAT64?, hostLoopback: Bool = true) throws -> Policy {
    var config = StackConfig(
      subnet: try #require(CIDR("192.168.5.2/24")), gateway: World.gateway,
      dns: IPAddress(192, 168, 5, 3))
    config.ipv6 = Simulation.ipv6()
    config.ipv6?.nat64 = nat64
    config.hostLoopback = hostLoopback
    return Policy(config: config)
  }

  @Test(arguments: [
    ("64:ff9b::/96", true), ("fd64:ff9b::/96", true), ("2001:db8:64::/96", true),
    ("64:ff9b::/64", false), ("64:ff9b::1/96", false), ("fe80::/96", false), ("ff00::/96", false),
    // RFC 6052 §2.2: bits 64 to 71 are 0.
    ("fd64:ff9b:0:0:100::/96", false), ("::/96", false), ("10.0.0.0/8", false),
  ])
  func `a prefix of 96 bits can have IPv4 addresses in it`(text: String, isOne: Bool) {
    #expect((CIDR(text).flatMap { NAT64($0) } != nil) == isOne)
  }

  @Test(
    arguments: [
      ("64:ff9b::808:808", "8.8.8.8"), ("64:ff9b::/0808:808", nil),
      // RFC 6052 §3.1: not for what is not public.
      ("64:ff9b::10.1.2.3", nil), ("64:ff9b::192.168.1.1", nil), ("64:ff9b::169.254.169.254", nil),
      // Nor any way to the host's loopback, to the gateway, or back to guests.
      ("64:ff9b::127.0.0.1", nil), ("64:ff9b::192.168.5.2", nil), ("64:ff9b::192.168.5.3", nil),
      ("64:ff9b::192.168.5.15", nil), ("64:ff9b::224.0.0.1", nil),
      ("64:ff9b::255.255.255.255", nil),
      ("64:ff9b::0.0.0.0", nil), ("64:ff9b::240.0.0.1", nil),
    ] as [(String, String?)])
  func `the well-known prefix leads to public addresses alone`(
    address: String, target: String?
  ) throws {
    guard let address = IPAddress(address) else { return }
    let route = try Self.policy(.wellKnown).route(
      proto: IPProtocol.tcp, to: Endpoint(address, port: 443))
    #expect(
      route == (target.flatMap { IPAddress($0) }.map { .connect(Endpoint($0, port: 443)) })
        ?? .unreachable)
  }

  @Test(arguments: [
    ("10.1.2.3", true), ("192.168.1.1", true), ("127.0.0.1", false), ("192.168.5.2", false),
    ("192.168.5.15", false), ("224.0.0.1", false),
  ])
  func `an own prefix leads to private ones, too, and never to the network itself`(
    address: String, isReached: Bool
  ) throws {
    let nat64 = try Self.own("fd64:ff9b::/96")
    let v4 = try #require(IPAddress(address))
    let route = try Self.policy(nat64).route(
      proto: IPProtocol.udp, to: Endpoint(nat64.address(of: v4), port: 80))
    #expect(route == (isReached ? .connect(Endpoint(v4, port: 80)) : .unreachable))
    #expect(nat64.embedded(in: nat64.address(of: v4)) == v4)
    #expect(nat64.embedded(in: try #require(IPAddress("fd64:ff9b:0:1::1"))) == nil)
  }

  @Test func `without NAT64 an address of the prefix is one as any other`() throws {
    let address = Endpoint(NAT64.wellKnown.address(of: IPAddress(127, 0, 0, 1)), port: 22)
    #expect(
      try Self.policy(nil).route(proto: IPProtocol.tcp, to: address) == .connect(address))
  }

  @Test func `egress rules are asked about the IPv4 address, by no other name`() throws {
    let nat64 = try Self.own("fd64:ff9b::/96")
    let policies: [EgressPolicy] = [
      .internet,
      // Allows all of IPv6, the prefix among it, and denies one network of IPv4.
      EgressPolicy(rules: [
        .init(allows: true, networks: [CIDR("::/0")].compactMap { $0 }, label: "six"),
        .init(allows: false, networks: [CIDR("10.0.0.0/8")].compactMap { $0 }, label: "four"),
      ]),
    ]
    for policy in policies {
      let world = try DatagramWorld {
        $0.ipv6?.nat64 = nat64
        $0.egress = policy
      }
      let denied = nat64.address(of: IPAddress(10, 1, 2, 3))
      world.send(
        world.udp6(from: 4000, to: Endpoint(denied, port: 7000), [1]), world.echo6(1, 1, to: denied)
      )
      let messages = world.messages6()
      #expect(messages.map(\.header.type) == [1, 1])
      #expect(messages.map(\.header.code) == [1, 1])
      #expect(world.kernel.open.isEmpty)
      #expect(
        world.stack.core.egress.log.entries.map(\.question.destination.address)
          == [IPAddress(10, 1, 2, 3), IPAddress(10, 1, 2, 3)])
    }
  }

  @Test func `a datagram leaves by a socket of IPv4, and its answer and errors come by the prefix`()
    throws
  {
    let nat64 = try Self.own("fd64:ff9b::/96")
    let world = try DatagramWorld { $0.ipv6?.nat64 = nat64 }
    let there = Endpoint(nat64.address(of: World.server.address), port: World.server.port)
    world.send(world.udp6(from: 4000, to: there, [1, 2]))
    let fd = try #require(world.kernel.open.first)
    #expect(world.kernel.sockets[fd]?.family == AF_INET)
    #expect(world.kernel.sent.map(\.destination) == [World.server])
    world.kernel.sockets[fd]?.incoming = [
      .init(source: World.server, payload: [3]),
      .init(source: Endpoint(IPAddress(10, 9, 9, 9), port: 7000), payload: [4]),
    ]
    world.poll()
    #expect(world.datagrams6() == [.init(source: there, port: 4000, payload: [3])])
    #expect(world.stack.udp.counters.filtered == 1)
  }

  @Test func `an echo request goes out as one of IPv4, and its reply comes back as one of IPv6`()
    throws
  {
    let nat64 = try Self.own("fd64:ff9b::/96")
    let world = try DatagramWorld { $0.ipv6?.nat64 = nat64 }
    let there = nat64.address(of: World.server.address)
    world.send(world.echo6(77, 5, to: there))
    let fd = try #require(world.kernel.open.first)
    #expect(world.kernel.sockets[fd]?.family == AF_INET)
    let sent = try #require(world.kernel.sent.first)
    #expect(sent.destination.address == World.server.address)
    #expect(sent.payload.first == ICMPv4Type.echoRequest)
    var reply = sent.payload
    reply[0] = ICMPv4Type.echoReply
    world.kernel.sockets[fd]?.incoming = [
      .init(source: Endpoint(World.server.address, port: 0), payload: reply)
    ]
    world.poll()
    let messages = world.messages6()
    #expect(messages.map(\.source) == [there])
    #expect(messages.map(\.header.type) == [ICMPv6Type.echoReply])
    #expect(messages.map(\.payload) == [[1, 2, 3, 4]])
  }

  @Test func `an advertisement has the prefix (RFC 8781 §4), and one to IPv4 alone leads outside`()
    throws
  {
    var advertiser = RouterAdvertiser(
      prefix: try #require(CIDR("fd00:1::/64")),
      mac: World.linkLocal == .anyV6 ? .zero : GuestTCP.mac,
      nameServers: [])
    advertiser.nat64 = .wellKnown
    let message = advertiser.message(mtu: 1500, leadsOutside: true, searchDomains: [])
    var option: [UInt8]?
    message.payload.withByteView { payload in
      NDPOptions(checking: payload.dropFirst(8))?.forEach { if $0[0] == 38 { option = $0.bytes } }
    }
    // 1800 s in steps of eight, code 0: 96 bits.
    #expect(option == [38, 2, 0x07, 0x08, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0])
  }
}
