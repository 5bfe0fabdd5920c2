// SPDX-License-Identifier: Apache-2.0
//
// Requirements on a guest's router, as a table: the section, the frames that are sent, and the replies. Formats and state
// machines have their own tables (NDPTests, IPv6ChainTests, DHCPv6Tests, GuestAddressesTests).

import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(1))) struct IPv6StandardsTests {
  private typealias World = DatagramWorld

  struct Answer: Sendable {
    var source: IPAddress
    var destination: IPAddress
    var hopLimit: UInt8
    var next: UInt8
    var bytes: [UInt8]

    var isICMP: Bool { next == IPProtocol.icmpV6 }
    /// Type and code.
    var kind: [UInt8] { isICMP ? Array(bytes.prefix(2)) : [] }
    /// The second four bytes.
    var rest: UInt32 { bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) } }
  }

  struct Case: Sendable, CustomStringConvertible {
    var section: String
    var what: String
    var frames: [[UInt8]]
    var holds: @Sendable ([Answer]) -> Bool
    var description: String { "\(section): \(what)" }

    init(
      _ section: String, _ what: String, _ frames: [[UInt8]],
      _ holds: @escaping @Sendable ([Answer]) -> Bool
    ) {
      self.section = section
      self.what = what
      self.frames = frames
      self.holds = holds
    }
  }

  private static let neighbor = IPAddress.linkLocal(of: GuestTCP.mac)
  private static let router = IPAddress.linkLocal(of: GuestTCP.gatewayMAC)
  private static let gateway = World.gateway6
  private static let guest = World.guest6
  private static let outside = World.server6.address
  private static let nobody = gateway.with(interfaceIdentifier: 0x9999)
  private static let other = guest.with(interfaceIdentifier: 0x1_0000_0001)

  private static let nothing: @Sendable ([Answer]) -> Bool = { $0.isEmpty }

  private static func icmp(
    _ type: UInt8, code: UInt8 = 0, _ body: [UInt8], from source: IPAddress = guest,
    to destination: IPAddress, hopLimit: UInt8 = 255
  ) -> [UInt8] {
    let rest = body.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    let header = ICMPHeader(type: type, code: code, rest: rest)
    return World.ipv6(
      IPProtocol.icmpV6,
      World.message(header, Array(body.dropFirst(4)), from: source, to: destination), from: source,
      to: destination, hopLimit: hopLimit)
  }

  private static func bytes(_ address: IPAddress) -> [UInt8] {
    [UInt8](capacity: 16) { out in
      out.storeV6(address, at: 0)
      return 16
    }
  }

  private static let sourceOption: [UInt8] = [
    1, 1, 0x52, 0x55, 0x55, 0x12, 0x34, 0x56,
  ]

  private static func solicitation(
    _ target: IPAddress, from source: IPAddress = neighbor, to destination: IPAddress? = nil,
    hopLimit: UInt8 = 255, code: UInt8 = 0
  ) -> [UInt8] {
    icmp(
      135, code: code, [0, 0, 0, 0] + bytes(target), from: source,
      to: destination ?? target.solicitedNode, hopLimit: hopLimit)
  }

  private static func routerSolicitation(
    from source: IPAddress = neighbor, hopLimit: UInt8 = 255, options: [UInt8] = []
  ) -> [UInt8] {
    icmp(133, [0, 0, 0, 0] + options, from: source, to: .allRouters, hopLimit: hopLimit)
  }

  private static func udp(_ remote: Endpoint, hopLimit: UInt8 = 64) -> [UInt8] {
    World.ipv6(
      IPProtocol.udp, World.datagram(from: 4000, to: remote, [1, 2]), to: remote.address,
      hopLimit: hopLimit)
  }

  private static let closed = Endpoint(router, port: 9)

  private static func echo(
    to destination: IPAddress = gateway, behind extensions: [UInt8] = [], first: UInt8 = 58,
    from source: IPAddress = guest
  ) -> [UInt8] {
    let request = World.message(
      ICMPHeader(type: 128, identifier: 7, sequence: 9), [1, 2, 3], from: source, to: destination)
    return World.ipv6(first, extensions + request, from: source, to: destination)
  }

  private static func isEchoed(_ answers: [Answer]) -> Bool {
    answers.map(\.kind) == [[129, 0]] && answers[0].rest == 7 << 16 | 9
      && answers[0].bytes[8...] == [1, 2, 3]
  }

  private static func option(_ type: UInt8, in answer: Answer) -> [UInt8]? {
    var found: [UInt8]?
    answer.bytes.withByteView { view in
      NDPOptions(checking: view.dropFirst(16))?.forEach { if $0[0] == type { found = $0.bytes } }
    }
    return found
  }

  private static func dhcp(_ type: UInt8, _ options: [UInt8], from source: IPAddress = neighbor)
    -> [UInt8]
  {
    let group = Endpoint(.allDHCPAgents, port: 547)
    let client: [UInt8] = [0, 1, 0, 10, 0, 3, 0, 1, 0x52, 0x55, 0x55, 0x12, 0x34, 0x56]
    return World.ipv6(
      IPProtocol.udp,
      World.datagram(
        from: 546, to: group, [type, 1, 2, 3] + client + options, source: source),
      from: source, to: group.address, hopLimit: 1)
  }

  /// The type of a message of DHCPv6 to a client.
  private static func dhcpType(_ answers: [Answer]) -> UInt8? {
    answers.count == 1 && answers[0].next == IPProtocol.udp ? answers[0].bytes[8] : nil
  }

  /// Option 23 (RFC 3646 §3).
  private static func hasDNS(_ message: [UInt8]) -> Bool {
    let wanted: [UInt8] = [0, 23, 0, 16] + bytes(World.dns6)
    return message.indices.contains { (at: Int) in message[at...].starts(with: wanted) }
  }

  static let cases: [Case] = [
    // Neighbor Discovery
    Case(
      "RFC 4861 §6.1.1", "a solicitation from beyond the link is none",
      [routerSolicitation(hopLimit: 254)], nothing),
    Case(
      "RFC 4861 §6.1.1", "one without a source has no link-layer address",
      [routerSolicitation(from: .anyV6, options: sourceOption)], nothing),
    Case(
      "RFC 4861 §6.2.6", "who asks for a router is answered by its link-local address",
      [routerSolicitation()]
    ) {
      $0.map(\.kind) == [[134, 0]] && $0[0].source == router && $0[0].hopLimit == 255
    },
    Case(
      "RFC 4861 §4.6.2", "the prefix is on the link and for addresses of one's own",
      [routerSolicitation()]
    ) {
      option(3, in: $0[0]).map { $0[2] == 64 && $0[3] == 0xc0 } ?? false
    },
    Case(
      "RFC 4861 §6.2.3", "a host without a way to the world is no default router",
      [routerSolicitation()]
    ) {
      $0[0].rest & 0xffff == 0
    },
    Case("RFC 4861 §4.6.4", "the MTU of the link is told", [routerSolicitation()]) {
      option(5, in: $0[0]).map { $0[4...] == [0, 0, 0x05, 0xdc] } ?? false
    },
    Case(
      "RFC 4861 §7.1.1", "a solicitation from beyond the link is none",
      [solicitation(gateway, hopLimit: 64)], nothing),
    Case("RFC 4861 §7.1.1", "nor one with a code", [solicitation(gateway, code: 1)], nothing),
    Case("RFC 4861 §7.1.1", "nor one for a group", [solicitation(.allNodes, to: gateway)], nothing),
    Case("RFC 4861 §7.2.3", "nobody answers for another", [solicitation(nobody)], nothing),
    Case(
      "RFC 4861 §7.2.4", "the gateway's address is answered for: router, solicited, override",
      [solicitation(gateway)]
    ) {
      $0.map(\.kind) == [[136, 0]] && $0[0].bytes[4] == 0xe0 && $0[0].source == gateway
        && $0[0].destination == neighbor
    },
    Case("RFC 4861 §7.2.4", "and so is the router's own", [solicitation(router)]) {
      $0.map(\.kind) == [[136, 0]]
    },
    Case(
      "RFC 4861 §8.1", "a guest's redirect is heeded by nobody",
      [icmp(137, [0, 0, 0, 0] + bytes(outside) + bytes(outside), from: neighbor, to: router)],
      nothing),
    Case(
      "RFC 6980 §5", "discovery in a fragment is none",
      [
        World.ipv6(
          44, [58, 0, 0, 0, 0, 0, 0, 1] + Array(solicitation(gateway).dropFirst(54)),
          from: neighbor, to: gateway.solicitedNode, hopLimit: 255)
      ], nothing),
    // Autoconfiguration
    Case(
      "RFC 4862 §5.4.3", "who is about to use the gateway's address is told that it is taken",
      [solicitation(gateway, from: .anyV6)]
    ) {
      $0.map(\.kind) == [[136, 0]] && $0[0].destination == .allNodes && $0[0].bytes[4] == 0xa0
    },
    Case(
      "RFC 4862 §5.4.3", "who is about to use a free one hears nothing",
      [solicitation(other, from: .anyV6)], nothing),
    Case(
      "RFC 4862 §5.5.3", "an address is preferred no longer than it is valid",
      [routerSolicitation()]
    ) {
      guard let prefix = option(3, in: $0[0]) else { return false }
      func seconds(_ at: Int) -> UInt32 { prefix[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) } }
      // RFC 8981 §3.4: below, temporary addresses are renewed within it.
      return seconds(8) <= seconds(4) && seconds(8) >= 600
    },
    // DNS by advertisements
    Case("RFC 8106 §5.1", "the DNS server lives as long as the router says", [routerSolicitation()])
    {
      option(25, in: $0[0]).map {
        $0[8..<24] == bytes(World.dns6)[...] && $0[4...7] != [0, 0, 0, 0]
      } ?? false
    },
    // ICMPv6
    Case("RFC 4443 §3.1", "a port that nobody has is unreachable", [udp(closed)]) {
      $0.map(\.kind) == [[1, 4]]
    },
    Case("RFC 4443 §3.1", "a guest that is not there, too", [udp(Endpoint(nobody, port: 80))]) {
      $0.map(\.kind) == [[1, 3]]
    },
    Case(
      "RFC 4443 §3.1", "a link-local address leads nowhere else",
      [
        World.ipv6(
          17, World.datagram(from: 4000, to: World.server6, [1], source: neighbor), from: neighbor,
          to: outside)
      ]
    ) { $0.map(\.kind) == [[1, 2]] },
    Case(
      "RFC 4443 §3.3", "a packet that has no hop left is told of", [udp(World.server6, hopLimit: 1)]
    ) { $0.map(\.kind) == [[3, 0]] },
    Case(
      "RFC 4443 §3.4", "a protocol that nobody knows is told of, with its place",
      [World.ipv6(253, [1, 2, 3, 4], to: gateway)]
    ) {
      $0.map(\.kind) == [[4, 1]] && $0[0].rest == 6
    },
    Case(
      "RFC 4443 §2.4 (e.1)", "of errors there are no errors",
      [icmp(1, code: 4, [0, 0, 0, 0] + Array(udp(closed).dropFirst(14)), to: gateway)], nothing),
    Case(
      "RFC 4443 §2.4 (e.3)", "nor of what was for a group",
      [
        World.ipv6(
          17, World.datagram(from: 4000, to: Endpoint(.allNodes, port: 9), [1]), to: .allNodes)
      ], nothing),
    Case(
      "RFC 4443 §2.4 (c)", "an error has what fits into 1280 bytes of what it is about",
      [
        World.ipv6(
          17, World.datagram(from: 4000, to: closed, [UInt8](repeating: 7, count: 1400)), to: router
        )
      ]
    ) { $0.map(\.kind) == [[1, 4]] && $0[0].bytes.count + 40 <= 1280 && $0[0].bytes.count > 1200 },
    Case("RFC 4443 §4.2", "an echo has what the request had", [echo()], isEchoed),
    Case(
      "RFC 4443 §4.2", "a request to all is answered from an address of one", [echo(to: .allNodes)]
    ) {
      isEchoed($0) && $0[0].source == gateway
    },
    Case(
      "RFC 4443 §2.3", "a message with a wrong checksum is none",
      [
        {
          var frame = echo(); frame[56] ^= 1; return frame
        }()
      ], nothing),
    // IPv6
    Case(
      "RFC 8200 §4.2", "an option that may be passed over is",
      [echo(behind: [58, 0, 0x1e, 4, 0, 0, 0, 0], first: 0)], isEchoed),
    Case(
      "RFC 8200 §4.2", "one that may not ends the packet, and is told of",
      [echo(behind: [58, 0, 0x9e, 4, 0, 0, 0, 0], first: 0)]
    ) {
      $0.map(\.kind) == [[4, 2]] && $0[0].rest == 42
    },
    Case(
      "RFC 8200 §4.2", "or ends it in silence",
      [echo(behind: [58, 0, 0x5e, 4, 0, 0, 0, 0], first: 0)], nothing),
    Case(
      "RFC 8200 §4.4", "a route that has not been gone is a problem",
      [echo(behind: [58, 2, 0, 1, 0, 0, 0, 0] + bytes(outside), first: 43)]
    ) {
      $0.map(\.kind) == [[4, 0]] && $0[0].rest == 42
    },
    Case(
      "RFC 8200 §4.4", "one that has been gone is none",
      [echo(behind: [58, 2, 0, 0, 0, 0, 0, 0] + bytes(outside), first: 43)], isEchoed),
    Case(
      "RFC 6946 §4", "a fragment that is the whole stands by itself",
      [echo(behind: [58, 0, 0, 0, 0, 0, 0, 5], first: 44)], isEchoed),
    Case(
      "RFC 8200 §4.5", "a fragment of a length that cannot be is told of",
      [echo(behind: [58, 0, 0, 1, 0, 0, 0, 5], first: 44)]
    ) {
      $0.map(\.kind) == [[4, 0]] && $0[0].rest == 4
    },
    Case(
      "RFC 8200 §4.7", "behind no next header there is nothing",
      [World.ipv6(59, [1, 2, 3], to: gateway)], nothing),
    Case(
      "RFC 8200 §8.1", "a datagram without a checksum is none",
      [
        {
          var frame = udp(closed); frame[60] = 0; frame[61] = 0; return frame
        }()
      ], nothing),
    Case("RFC 4291 §2.7", "a group is no source", [echo(from: .allNodes)], nothing),
    Case(
      "RFC 4291 §2.5.3", "the loopback is on nobody's link", [udp(Endpoint(.loopbackV6, port: 22))]
    ) { $0.map(\.kind) == [[1, 3]] },
    // DHCPv6
    Case(
      "RFC 8415 §18.3.1", "who solicits hears an advertisement",
      [dhcp(1, [0, 3, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0])]
    ) { dhcpType($0) == 2 },
    Case(
      "RFC 8415 §18.3.1", "or, when it wants, a reply at once",
      [dhcp(1, [0, 14, 0, 0, 0, 3, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0])]
    ) { dhcpType($0) == 7 },
    Case("RFC 8415 §18.3.6", "who asks for settings has them", [dhcp(11, [0, 6, 0, 2, 0, 23])]) {
      dhcpType($0) == 7 && hasDNS($0[0].bytes)
    },
    Case(
      "RFC 8415 §16.4", "a request to no server in particular is not answered", [dhcp(3, [])],
      nothing),
    Case(
      "RFC 8415 §18.3", "nor is one from an address beyond the link",
      [dhcp(1, [0, 3, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0], from: guest)], nothing),
  ]

  private static func scene() throws -> (World, IPv6Control) {
    let world = try World()
    let ipv6 = try #require(world.stack.config.ipv6)
    var dhcp = DHCPv6Server.Configuration(prefix: ipv6.prefix, serverMAC: GuestTCP.gatewayMAC)
    dhcp.nameServers = [ipv6.dns]
    let control = IPv6Control(
      stack: world.stack.core,
      configuration: .init(ipv6, mac: GuestTCP.gatewayMAC, dhcp: dhcp))
    world.stack.startIPv6(ipv6, control)
    control.linkUp(world.stack.link(of: World.port))
    world.stack.endOfIteration()
    _ = world.packets6()
    return (world, control)
  }

  @Test(arguments: cases)
  func `a guest hears what the standards say`(table: Case) throws {
    let (world, _) = try Self.scene()
    for frame in table.frames { world.send(frame) }
    let answers = world.packets6().map {
      Answer(
        source: $0.header.source, destination: $0.header.destination, hopLimit: $0.header.hopLimit,
        next: $0.header.nextHeader, bytes: $0.payload)
    }
    #expect(
      table.holds(answers),
      "\(answers.map { "\($0.source) > \($0.destination) \($0.next) \($0.bytes.prefix(16))" })")
  }

  @Test
  func `RFC 8981: temporary addresses come and go, and the lasting one stays what it is known by`()
    throws
  {
    let (world, control) = try Self.scene()
    let lasting = Self.guest.with(
      interfaceIdentifier: IPAddress.interfaceIdentifier(of: GuestTCP.mac))
    for address in [lasting] + (1...20).map({ Self.guest.with(interfaceIdentifier: 0x7000 + $0) }) {
      world.send(Self.echo(from: address))
      world.send(Self.echo(from: lasting))
      #expect(control.primary(of: GuestTCP.mac, port: World.port) == lasting)
    }
    let known = control.addresses(port: World.port)
    #expect(known.count <= GuestAddresses.perStation && known.contains { $0.address == lasting })
  }

  @Test func `RFC 6724 §2.1: a network of its own is unique local, after which guests prefer IPv4`()
  {
    for address in ["fd00::15", "fdff:ffff::15"] {
      #expect(IPAddress(address)?.isUniqueLocal == true)
    }
    #expect(IPAddress("2001:db8::15")?.isUniqueLocal == false)
  }
}

extension DatagramWorld {
  fileprivate static let dns6 = Simulation.ipv6().dns
}
