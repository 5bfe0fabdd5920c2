// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Checks of guests' IPv6 packets before an engine gets them: a case for each rule, with its section.
@Suite(.timeLimit(.minutes(1)))
struct IPv6ReceiveTests {
  private typealias World = DatagramWorld
  private static let other = IPAddress(high: 0xfd00_0009 << 32, low: 1)

  @Test func `without IPv6 in its configuration a stack takes no notice of it`() throws {
    let world = try DatagramWorld { $0.ipv6 = nil }
    world.send(world.echo6(1, 1, to: World.gateway6))
    world.send(world.udp6(from: 4000, to: World.server6, [1]))
    #expect(world.host.frames.isEmpty && world.kernel.open.isEmpty)
    let counters = world.stack.links.pointer(1).pointee.counters
    #expect(counters.ignored == 2 && counters.malformed == 0)
  }

  struct Refused: CustomTestStringConvertible, Sendable {
    var rule: String
    var frame: [UInt8]
    var testDescription: String { rule }
  }

  private static let echo = World.message(
    ICMPHeader(type: ICMPv6Type.echoRequest), [], to: World.gateway6)

  private static func echo(from source: IPAddress, mac: MACAddress = GuestTCP.mac) -> [UInt8] {
    World.ipv6(
      IPProtocol.icmpV6,
      World.message(
        ICMPHeader(type: ICMPv6Type.echoRequest), [], from: source, to: World.gateway6),
      from: source, to: World.gateway6, mac: mac)
  }

  /// An ICMP error of a guest, which is never answered, though its next header is unknown there.
  static let refused: [Refused] = [
    Refused(rule: "RFC 4291 §2.7: a group is no source", frame: echo(from: .allNodes)),
    Refused(rule: "RFC 4291 §2.5.3: ::1 is no source", frame: echo(from: .loopbackV6)),
    Refused(rule: "RFC 4291 §2.5.2: nor is ::", frame: echo(from: .anyV6)),
    Refused(
      rule: "RFC 4291 §2.6.1: nor the routers' anycast address",
      frame: echo(
        from: IPAddress(high: 0xfd00_0005 << 32, low: 0))),
    Refused(rule: "RFC 2827: a source of another prefix", frame: echo(from: other)),
    Refused(rule: "the gateway's own address", frame: echo(from: World.gateway6)),
    Refused(
      rule: "the gateway's own link-local address",
      frame: echo(from: .linkLocal(of: GuestTCP.gatewayMAC))),
    Refused(
      rule: "the gateway's own Ethernet address",
      frame: echo(from: World.guest6, mac: GuestTCP.gatewayMAC)),
    Refused(
      rule: "RFC 4443 §2.4 b: a message of unknown type",
      frame: World.ipv6(
        IPProtocol.icmpV6, World.message(ICMPHeader(type: 200), [], to: World.gateway6),
        to: World.gateway6)),
    Refused(
      rule: "RFC 4443 §2.3: a checksum that is wrong",
      frame: World.ipv6(IPProtocol.icmpV6, echo.map { $0 ^ 1 }, to: World.gateway6)),
    Refused(
      rule: "RFC 4443 §2.4 e.1: an error about an error",
      frame: World.ipv6(
        IPProtocol.destinationOptions,
        [IPProtocol.icmpV6, 0, 0x9e, 4, 0, 0, 0, 0] + [1, 0, 0, 0, 0, 0, 0, 0],
        to: World.gateway6)),
    Refused(
      rule: "RFC 4443 §2.4 e.3: an error about a packet for a group",
      frame: World.ipv6(200, [0, 0, 0, 0], to: .allNodes)),
    Refused(
      rule: "RFC 4291 §2.8: a group that the gateway is no member of",
      frame: World.ipv6(
        IPProtocol.icmpV6,
        World.message(
          ICMPHeader(type: ICMPv6Type.echoRequest), [], to: IPAddress(high: 0xff02 << 48, low: 0xfb)
        ),
        to: IPAddress(high: 0xff02 << 48, low: 0xfb))),
    Refused(
      rule: "RFC 8200 §4.7: no next header", frame: World.ipv6(59, [1, 2], to: World.gateway6)),
    Refused(
      rule: "RFC 4038 §4.2: an IPv4-mapped source",
      frame: echo(from: IPAddress(high: 0, low: 0xffff_7f00_0001))),
  ]

  @Test(arguments: refused) func `is refused without a word`(_ refused: Refused) throws {
    let world = try DatagramWorld()
    world.send(refused.frame)
    #expect(world.host.frames.isEmpty)
    #expect(world.kernel.open.isEmpty)
  }

  @Test func `the same packet from the guest's own address is answered`() throws {
    let world = try DatagramWorld()
    world.send(Self.echo(from: World.guest6), Self.echo(from: World.linkLocal))
    #expect(world.messages6().map(\.header.type) == [129, 129])
  }

  struct Problem: CustomTestStringConvertible, Sendable {
    var rule: String
    var nextHeader: UInt8
    var payload: [UInt8]
    var destination = World.gateway6
    var code: UInt8
    var pointer: UInt32
    var testDescription: String { rule }
  }

  static let problems: [Problem] = [
    Problem(
      rule: "RFC 8200 §4: nobody knows the protocol", nextHeader: 200, payload: [1, 2], code: 1,
      pointer: 6),
    Problem(
      rule: "RFC 8200 §4: nor behind another header", nextHeader: 60,
      payload: [200, 0, 1, 4, 0, 0, 0, 0, 7], code: 1, pointer: 40),
    Problem(
      rule: "RFC 8200 §4.2: an option that has to be known", nextHeader: 60,
      payload: [17, 0, 0x9e, 4, 0, 0, 0, 0], code: 2, pointer: 42),
    Problem(
      rule: "RFC 4443 §2.4 e.3: of a group's packet, too", nextHeader: 60,
      payload: [17, 0, 0x9e, 4, 0, 0, 0, 0], destination: .allNodes, code: 2, pointer: 42),
    Problem(
      rule: "RFC 5095 §3: a routing header of type 0", nextHeader: 43,
      payload: [17, 0, 0, 1, 0, 0, 0, 0], code: 0, pointer: 42),
    Problem(
      rule: "RFC 7112 §5: a first fragment without its transport header", nextHeader: 44,
      payload: [6, 0, 0, 1, 0, 0, 0, 1] + [0, 0, 0, 0, 0, 0, 0, 0], code: 3, pointer: 0),
    Problem(
      rule: "RFC 8200 §4.5: a fragment with a broken block", nextHeader: 44,
      payload: [17, 0, 0, 1, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 9), code: 0, pointer: 4),
    Problem(
      rule: "RFC 8200 §4.5: a fragment beyond 65,535 bytes", nextHeader: 44,
      payload: [17, 0, 0xff, 0xf8, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 8), code: 0,
      pointer: 42),
  ]

  @Test(arguments: problems) func `is a parameter problem`(_ problem: Problem) throws {
    let world = try DatagramWorld()
    let frame = World.ipv6(problem.nextHeader, problem.payload, to: problem.destination)
    world.send(frame)
    let messages = world.messages6()
    #expect(
      messages.map(\.header) == [
        ICMPHeader(type: ICMPv6Type.parameterProblem, code: problem.code, rest: problem.pointer)
      ])
    #expect(messages.first?.payload == Array(frame.dropFirst(14)))
    #expect(messages.first?.source == World.gateway6)
  }

  @Test func `an error is no longer than 1,280 bytes (RFC 4443 §2.4 c)`() throws {
    let world = try DatagramWorld(mtu: 9000)
    world.send(World.ipv6(200, [UInt8](repeating: 7, count: 4000), to: World.gateway6))
    let packet = try #require(world.packets6().first)
    #expect(40 + packet.payload.count == 1280)
  }

  @Test func `errors are limited in rate, of both families together (RFC 4443 §2.4 f)`() throws {
    let world = try DatagramWorld()
    let share = world.stack.core.shares.of(1, GuestTCP.mac)
    for _ in 0..<500 {
      world.send(
        World.ipv6(200, [1], to: World.gateway6), world.ip(200, [1], to: DatagramWorld.gateway))
    }
    let withheld = world.stack.core.shares.pointer(share).pointee.counters.errorsWithheld
    #expect(withheld > 500)
    #expect(world.host.frames.count + Int(withheld) == 1000)
  }

  @Test
  func
    `neighbour discovery and MLD go to their service, as they may be (RFC 4861 §6.1, §7.1, RFC 6980)`()
    throws
  {
    let world = try DatagramWorld()
    let ndp = NotedNDP()
    world.stack.core.ndp = ndp
    func message(
      _ type: UInt8, code: UInt8 = 0, from source: IPAddress = World.linkLocal,
      to destination: IPAddress = .allRouters, hopLimit: UInt8 = 255, wrapped: [UInt8] = []
    ) -> [UInt8] {
      let body = World.message(
        ICMPHeader(type: type, code: code), [UInt8](repeating: 0, count: 16), from: source,
        to: destination)
      return World.ipv6(
        wrapped.isEmpty ? IPProtocol.icmpV6 : IPProtocol.fragment, wrapped + body, from: source,
        to: destination, hopLimit: hopLimit)
    }
    // Taken: from ::, from link-local and global addresses; to groups and to the gateway.
    world.send(
      message(133, from: .anyV6), message(135, from: .anyV6, to: World.gateway6.solicitedNode),
      message(135, to: World.gateway6), message(136, from: World.guest6, to: .allNodes),
      message(137, to: World.gateway6), message(134, to: .allNodes),
      message(143, from: .anyV6, to: .allMLDv2Routers, hopLimit: 1),
      message(131, to: World.gateway6.solicitedNode, hopLimit: 1))
    #expect(ndp.types == [133, 135, 135, 136, 137, 134, 143, 131])
    // An atomic fragment is one all the same (RFC 6980 §5).
    world.send(
      message(133, hopLimit: 254), message(133, code: 1), message(143, hopLimit: 64),
      message(135, from: Self.other), message(135, from: World.gateway6),
      message(136, to: IPAddress(high: 0xff02 << 48, low: 0x99)),
      message(135, wrapped: [IPProtocol.icmpV6, 0, 0, 0, 0, 0, 0, 1]))
    #expect(ndp.types.count == 8)
    // The stack learns no neighbor from it: the service does.
    #expect(world.stack.core.neighbor(World.guest6, on: 1) == nil)
  }

  @Test func `DHCPv6 goes to its service, and to nobody else (RFC 8415 §7)`() throws {
    let world = try DatagramWorld()
    func solicit(to destination: IPAddress) -> [UInt8] {
      World.ipv6(
        IPProtocol.udp,
        World.datagram(
          from: 546, to: Endpoint(destination, port: 547), [1, 2, 3, 4], source: World.linkLocal),
        from: World.linkLocal, to: destination)
    }
    world.send(solicit(to: .allDHCPAgents))
    #expect(world.host.frames.isEmpty && world.kernel.open.isEmpty)
    let dhcp = NotedDHCPv6()
    world.stack.udp.dhcpV6 = dhcp
    world.send(solicit(to: .allDHCPAgents), solicit(to: World.gateway6))
    #expect(dhcp.payloads == [[1, 2, 3, 4], [1, 2, 3, 4]])
    #expect(world.host.frames.isEmpty && world.kernel.open.isEmpty)
  }

  struct Destination: CustomTestStringConvertible, Sendable {
    var rule: String
    var address: IPAddress
    /// Code of the destination unreachable message; nil: none is sent.
    var code: UInt8?
    var testDescription: String { rule }
  }

  static let destinations: [Destination] = [
    Destination(rule: "RFC 4291 §2.5.3: ::1", address: .loopbackV6, code: 3),
    Destination(
      rule: "RFC 4291 §2.5.6: somebody's link-local address", address: .linkLocal(of: .broadcast),
      code: 3),
    Destination(
      rule: "RFC 4291 §2.5.5.1: an IPv4-compatible address",
      address: IPAddress(high: 0, low: 0x7f00_0001), code: 3),
    Destination(
      rule: "the guests' own prefix", address: IPAddress(high: 0xfd00_0005 << 32, low: 99), code: 3),
    Destination(
      rule: "the gateway's link-local address", address: .linkLocal(of: GuestTCP.gatewayMAC),
      code: 4),
    Destination(rule: "RFC 4291 §2.5.2: ::", address: .anyV6, code: nil),
    Destination(rule: "RFC 4291 §2.7: a group", address: .allNodes, code: nil),
  ]

  @Test(arguments: destinations)
  func `nothing of a guest's is led where it must not go`(_ destination: Destination) throws {
    let world = try DatagramWorld()
    world.send(world.udp6(from: 4000, to: Endpoint(destination.address, port: 9), [1]))
    #expect(world.kernel.open.isEmpty)
    #expect(world.messages6().map(\.header.code) == (destination.code.map { [$0] } ?? []))
  }

  @Test func `a link-local source leads nowhere else (RFC 4443 §3.1, code 2)`() throws {
    let world = try DatagramWorld()
    let bytes = World.datagram(from: 9, to: World.server6, [1], source: World.linkLocal)
    world.send(
      World.ipv6(IPProtocol.udp, bytes, from: World.linkLocal, to: World.server6.address))
    #expect(world.kernel.open.isEmpty)
    let message = try #require(world.messages6().first)
    #expect(message.header.type == 1 && message.header.code == 2)
    #expect(message.source == .linkLocal(of: GuestTCP.gatewayMAC))
  }

  @Test func `all nodes are pinged by the gateway's answer (RFC 4443 §4.2)`() throws {
    let world = try DatagramWorld()
    world.send(world.echo6(7, 1, to: .allNodes))
    #expect(world.messages6().map(\.source) == [World.gateway6])
  }

  @Test func `one that makes up addresses forgets its own`() throws {
    let table = NeighborTable()
    let mine = MACAddress(2, 0, 0, 0, 0, 1)
    let theirs = MACAddress(2, 0, 0, 0, 0, 2)
    func address(_ number: Int) -> IPAddress {
      IPAddress(high: 0xfd00_0005 << 32, low: 0x1000 + UInt64(number))
    }
    #expect(table.learn(World.guest6, at: theirs, of: 2))
    table.bind(address(0), to: mine)
    for number in 1...10_000 { _ = table.learn(address(number), at: mine, of: 1) }
    #expect(table.find(World.guest6) == theirs)
    #expect(table.find(address(0)) == mine)
    #expect(table.all.count == NeighborTable.mostOfGuest + 2)
    #expect(table.find(address(10_000)) == mine && table.find(address(1)) == nil)
    // Bound addresses are nobody else's.
    #expect(!table.learn(address(0), at: theirs, of: 2))
    #expect(table.forget([mine]).count == NeighborTable.mostOfGuest + 1)
    #expect(table.find(address(0)) == nil && table.all.count == 2)
  }
}
