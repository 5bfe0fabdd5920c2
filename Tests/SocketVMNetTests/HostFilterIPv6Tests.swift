// SPDX-License-Identifier: Apache-2.0
//
// What of IPv6 crosses the TAP between guests and host, packet by packet.

import SocketVMNetCore
import Testing
import Wire

@Suite(.timeLimit(.minutes(1))) struct HostFilterIPv6Tests {
  private static let gatewayMAC: UInt64 = 0x0201_d69e_a401
  private static let guestMAC: UInt64 = 0x5255_5500_0001
  private static let allNodesMAC: UInt64 = 0x3333_0000_0001

  private static func address(_ text: String) -> IPAddress { IPAddress(text) ?? .anyV6 }

  private static let gateway = address("fd12::1")
  private static let linkLocal = IPAddress.linkLocal(of: MACAddress(gatewayMAC))
  private static let guest = address("fd12::15")
  private static let neighbor = address("fe80::15")
  private static let outside = address("2001:db8::1")
  private static let mDNS = address("ff02::fb")
  private static let solicited = address("ff02::1:ff00:1")

  private let filter = HostFilter(
    mac: gatewayMAC, gateway: 0xc0a8_6901, prefixLength: 24, servesDNS: true, gateway6: gateway)
  private let older = HostFilter(
    mac: gatewayMAC, gateway: 0xc0a8_6901, prefixLength: 24, servesDNS: true)

  private static func bytes(_ address: IPAddress) -> [UInt8] {
    [UInt8](capacity: 16) { out in
      out.storeV6(address, at: 0)
      return 16
    }
  }

  private static func mac(_ value: UInt64) -> [UInt8] {
    (0..<6).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (5 - $0))) }
  }

  private static func frame(
    _ next: UInt8, _ payload: [UInt8], _ source: IPAddress, _ destination: IPAddress,
    from: UInt64 = guestMAC, to: UInt64 = gatewayMAC, hopLimit: UInt8 = 64
  ) -> [UInt8] {
    let length = [UInt8(payload.count >> 8), UInt8(payload.count & 255)]
    return mac(to) + mac(from) + [0x86, 0xdd, 0x60, 0, 0, 0] + length + [next, hopLimit]
      + bytes(source) + bytes(destination) + payload
  }

  /// TCP or UDP, from its ports on.
  private static func ports(_ from: UInt16, _ to: UInt16) -> [UInt8] {
    [UInt8(from >> 8), UInt8(from & 255), UInt8(to >> 8), UInt8(to & 255), 0, 8, 0, 0]
  }

  private static func icmp(_ type: UInt8) -> [UInt8] { [type, 0, 0, 0, 0, 0, 0, 0] }

  private static func neighborMessage(
    _ type: UInt8, _ target: IPAddress, option: UInt8? = nil, mac: UInt64 = guestMAC
  ) -> [UInt8] {
    [type, 0, 0, 0, 0, 0, 0, 0] + bytes(target) + (option.map { [$0, 1] + Self.mac(mac) } ?? [])
  }

  private static func fragment(_ next: UInt8, offset: UInt16, _ payload: [UInt8]) -> [UInt8] {
    [next, 0, UInt8(offset >> 8), UInt8(offset & 255) | 1, 0, 0, 0, 9] + payload
  }

  struct Case: Sendable, CustomStringConvertible {
    var description: String
    var frame: [UInt8]
    var way: HostFilter.Way
  }

  private static let fromGuests: [Case] = [
    Case(
      description: "TCP to the gateway", frame: frame(6, ports(40000, 80), guest, gateway),
      way: .host),
    Case(
      description: "UDP to the gateway", frame: frame(17, ports(40000, 80), guest, gateway),
      way: .host),
    Case(description: "echo", frame: frame(58, icmp(128), guest, gateway), way: .host),
    Case(description: "echo reply", frame: frame(58, icmp(129), guest, gateway), way: .host),
    Case(description: "unreachable", frame: frame(58, icmp(1), guest, gateway), way: .both),
    Case(description: "too big", frame: frame(58, icmp(2), guest, gateway), way: .both),
    Case(
      description: "DNS is the network's", frame: frame(17, ports(4000, 53), guest, gateway),
      way: .stack),
    Case(
      description: "DNS over TCP, too", frame: frame(6, ports(4000, 53), guest, gateway),
      way: .stack),
    Case(
      description: "DHCPv6 for servers", frame: frame(17, ports(546, 547), guest, gateway),
      way: .stack),
    Case(
      description: "DHCPv6 for clients", frame: frame(17, ports(547, 546), guest, gateway),
      way: .drop),
    Case(description: "elsewhere", frame: frame(6, ports(1, 80), guest, outside), way: .stack),
    Case(
      description: "another guest", frame: frame(6, ports(1, 80), guest, address("fd12::16")),
      way: .stack),
    Case(
      description: "from elsewhere", frame: frame(6, ports(1, 80), outside, gateway), way: .stack),
    Case(
      description: "from the gateway", frame: frame(6, ports(1, 80), gateway, gateway), way: .stack),
    Case(
      description: "from a link-local address", frame: frame(6, ports(1, 80), neighbor, gateway),
      way: .stack),
    Case(
      description: "to the link-local address", frame: frame(6, ports(1, 22), neighbor, linkLocal),
      way: .stack),
    Case(description: "redirect", frame: frame(58, icmp(137), guest, gateway), way: .drop),
    Case(
      description: "router advertisement", frame: frame(58, icmp(134), guest, gateway), way: .drop),
    Case(
      description: "router advertisement for all",
      frame: frame(58, icmp(134), neighbor, .allNodes, to: allNodesMAC, hopLimit: 255), way: .stack),
    Case(
      description: "hop-by-hop options", frame: frame(0, [6, 0, 1, 4, 0, 0, 0, 0], guest, gateway),
      way: .stack),
    Case(
      description: "routing header", frame: frame(43, [6, 0, 0, 1, 0, 0, 0, 0], guest, gateway),
      way: .stack),
    Case(
      description: "first fragment of TCP",
      frame: frame(44, fragment(6, offset: 0, ports(1, 80)), guest, gateway), way: .host),
    Case(
      description: "first fragment of DNS",
      frame: frame(44, fragment(17, offset: 0, ports(1, 53)), guest, gateway), way: .drop),
    Case(
      description: "later fragment", frame: frame(44, fragment(17, offset: 8, []), guest, gateway),
      way: .host),
    Case(
      description: "solicitation in a fragment",
      frame: frame(
        44, fragment(58, offset: 0, neighborMessage(135, gateway)), guest, gateway, hopLimit: 255),
      way: .drop),
    Case(
      description: "solicitation for the gateway",
      frame: frame(
        58, neighborMessage(135, gateway, option: 1), guest, solicited, to: 0x3333_ff00_0001,
        hopLimit: 255), way: .both),
    Case(
      description: "solicitation for the router",
      frame: frame(58, neighborMessage(135, linkLocal), neighbor, linkLocal, hopLimit: 255),
      way: .both),
    Case(
      description: "solicitation for another guest",
      frame: frame(
        58, neighborMessage(135, address("fd12::16")), guest, solicited, to: 0x3333_ff00_0016,
        hopLimit: 255), way: .stack),
    Case(
      description: "solicitation with another's Ethernet address",
      frame: frame(
        58, neighborMessage(135, gateway, option: 1, mac: 0x5255_5500_0002), guest, gateway,
        hopLimit: 255), way: .stack),
    Case(
      description: "solicitation from beyond the link",
      frame: frame(58, neighborMessage(135, gateway), guest, gateway, hopLimit: 254), way: .stack),
    Case(
      description: "duplicate address detection",
      frame: frame(
        58, neighborMessage(135, guest), .anyV6, solicited, to: 0x3333_ff00_0015, hopLimit: 255),
      way: .stack),
    Case(
      description: "advertisement of its own",
      frame: frame(58, neighborMessage(136, guest, option: 2), guest, gateway, hopLimit: 255),
      way: .both),
    Case(
      description: "advertisement to all",
      frame: frame(
        58, neighborMessage(136, neighbor, option: 2), neighbor, .allNodes, to: allNodesMAC,
        hopLimit: 255), way: .both),
    Case(
      description: "advertisement of the gateway",
      frame: frame(58, neighborMessage(136, gateway, option: 2), guest, gateway, hopLimit: 255),
      way: .stack),
    Case(
      description: "advertisement of what is elsewhere",
      frame: frame(58, neighborMessage(136, outside, option: 2), guest, gateway, hopLimit: 255),
      way: .stack),
    Case(
      description: "mDNS",
      frame: frame(17, ports(5353, 5353), neighbor, mDNS, to: 0x3333_0000_00fb),
      way: .host),
    Case(
      description: "DHCPv6 to the group",
      frame: frame(17, ports(546, 547), neighbor, address("ff02::1:2"), to: 0x3333_0001_0002),
      way: .stack),
    Case(
      description: "a group beyond the link",
      frame: frame(17, ports(1, 5353), guest, address("ff05::fb"), to: 0x3333_0000_00fb),
      way: .stack),
    Case(
      description: "another version", frame: frame(6, [], guest, gateway).prefix(40) + [],
      way: .stack),
  ]

  @Test(arguments: fromGuests)
  func `of a guest's packets the host gets what is for its one address`(packet: Case) {
    let way = packet.frame.withByteView { filter.fromGuest($0) }
    #expect(way == packet.way)
    // Without an address on the interface nothing crosses.
    #expect(packet.frame.withByteView { older.fromGuest($0) } == .stack)
  }

  private static func fromHost(
    _ next: UInt8, _ payload: [UInt8], _ source: IPAddress, _ destination: IPAddress
  ) -> [UInt8] {
    frame(next, payload, source, destination, from: gatewayMAC, to: guestMAC)
  }

  private static let ofHost: [(String, [UInt8], Bool)] = [
    ("TCP", fromHost(6, ports(1, 2), gateway, guest), true),
    ("UDP", fromHost(17, ports(1, 2), gateway, guest), true),
    ("echo", fromHost(58, icmp(128), gateway, guest), true),
    ("fragment", fromHost(44, fragment(17, offset: 8, []), gateway, guest), true),
    (
      "solicitation",
      fromHost(58, neighborMessage(135, guest), gateway, address("ff02::1:ff00:15")), true
    ),
    (
      "solicitation, link-local", fromHost(58, neighborMessage(135, neighbor), linkLocal, neighbor),
      true
    ),
    ("advertisement", fromHost(58, neighborMessage(136, gateway), gateway, guest), false),
    ("mDNS", fromHost(17, ports(5353, 5353), linkLocal, mDNS), true),
    ("another address of the host's", fromHost(6, ports(1, 2), outside, guest), false),
    ("to elsewhere", fromHost(6, ports(1, 2), gateway, outside), false),
    ("link-local", fromHost(6, ports(1, 2), linkLocal, neighbor), false),
    ("router advertisement", fromHost(58, icmp(134), linkLocal, .allNodes), false),
    ("router solicitation", fromHost(58, icmp(133), linkLocal, address("ff02::2")), false),
    ("redirect", fromHost(58, icmp(137), gateway, guest), false),
    ("MLD report", fromHost(58, icmp(143), linkLocal, address("ff02::16")), false),
    ("DHCPv6 server", fromHost(17, ports(547, 546), gateway, guest), false),
    (
      "advertisement of a guest's", fromHost(58, neighborMessage(136, guest), gateway, guest), false
    ),
    (
      "solicitation for the gateway", fromHost(58, neighborMessage(135, gateway), gateway, guest),
      false
    ),
    ("hop-by-hop", fromHost(0, [58, 0, 5, 2, 0, 0, 0, 0], linkLocal, .allNodes), false),
  ]

  @Test(arguments: ofHost)
  func `the host is no more to guests than its one address`(
    description: String, bytes: [UInt8], passes: Bool
  ) {
    #expect(bytes.withByteView { filter.fromHost($0) } == passes)
    #expect(bytes.withByteView { older.fromHost($0) } == false)
    var foreign = bytes
    foreign[11] ^= 1
    #expect(foreign.withByteView { filter.fromHost($0) } == false)
  }

  @Test func `a packet cut anywhere neither traps nor passes for another`() {
    for packet in Self.fromGuests {
      for length in 14..<packet.frame.count {
        let way = packet.frame.prefix(length).map { $0 }.withByteView { filter.fromGuest($0) }
        if length < 54 { #expect(way == .stack, "\(packet), \(length)") }
      }
    }
    for (_, bytes, _) in Self.ofHost {
      for length in 14..<54 {
        #expect(!bytes.prefix(length).map { $0 }.withByteView { filter.fromHost($0) })
      }
    }
  }
}
