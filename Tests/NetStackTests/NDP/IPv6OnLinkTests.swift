// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Neighbor discovery and DHCPv6 in frames: messages from guests and the replies.
@Suite("IPv6 on a link", .timeLimit(.minutes(1))) struct IPv6OnLinkTests {
  private static let gatewayMAC = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)
  private static let network = IPAddress(high: 0xfd00_0005_0000_0000, low: 0)
  private static func address(_ number: UInt64) -> IPAddress {
    network.with(interfaceIdentifier: number)
  }

  private final class Scene {
    let simulation = Simulation(seed: 1, kind: .switch)
    let control: IPv6Control
    var changes = 0

    init() {
      guard let prefix = CIDR(IPv6OnLinkTests.network, prefixLength: 64) else {
        preconditionFailure("a CIDR")
      }
      let gateway = IPv6OnLinkTests.address(2)
      let ipv6 = IPv6Config(
        prefix: prefix, gateway: gateway, dns: gateway, gatewayMAC: IPv6OnLinkTests.gatewayMAC)
      var dhcp = DHCPv6Server.Configuration(prefix: prefix, serverMAC: IPv6OnLinkTests.gatewayMAC)
      dhcp.nameServers = [gateway]
      control = IPv6Control(
        stack: simulation.stack.core,
        configuration: IPv6Control.Configuration(
          ipv6, mac: IPv6OnLinkTests.gatewayMAC, dhcp: dhcp))
      simulation.stack.startIPv6(ipv6, control)
      control.linkUp(1)
      control.onChange = { [unowned self] _ in changes += 1 }
      _ = heard()
    }

    /// Sends an ICMPv6 message of a guest.
    func says(
      _ mac: MACAddress, _ message: NDPMessage, from source: IPAddress, to destination: IPAddress
    ) {
      let payload = message.payload
      simulation.deliver([
        [UInt8](capacity: 62 + payload.count) { out in
          EthernetHeader(
            destination: destination.isMulticast
              ? MACAddress(group: destination) : IPv6OnLinkTests.gatewayMAC,
            source: mac, etherType: EtherType.ipv6
          ).emit(into: out)
          IPv6Header(
            source: source, destination: destination, nextHeader: IPProtocol.icmpV6,
            payloadLength: 8 + payload.count, hopLimit: 255
          ).emit(into: out.dropFirst(14))
          payload.withByteView { bytes in
            out.store(bytes, at: 62)
            message.header.emit(
              into: out.dropFirst(54), payload: bytes, source: source, destination: destination)
          }
          return 62 + payload.count
        }
      ])
    }

    func asksForRouters(_ mac: MACAddress, from source: IPAddress) {
      var message = NDPMessage.solicitation(of: source, from: nil)
      message.header.type = ICMPv6Type.routerSolicitation
      message.payload = []
      says(mac, message, from: source, to: .allRouters)
    }

    struct Heard {
      var mac: MACAddress
      var ip: IPv6Header
      var type: UInt8
      var bytes: [UInt8]
    }

    /// Takes the ICMPv6 messages that the stack sent.
    func heard() -> [Heard] {
      simulation.stack.endOfIteration()
      simulation.collect()
      defer { simulation.seen = [] }
      return simulation.seen.compactMap { frame in
        frame.withByteView { view -> Heard? in
          guard let ethernet = EthernetPacket(checking: view),
            let ip = IPv6Packet(checking: ethernet.payload), ip.nextHeader == IPProtocol.icmpV6,
            let message = ICMPv6Packet(checking: ip.payload)
          else { return nil }
          #expect(message.isChecksumValid(source: ip.source, destination: ip.destination))
          #expect(ip.hopLimit == 255)
          return Heard(
            mac: ethernet.destination, ip: IPv6Header(ip), type: message.type,
            bytes: ip.payload.bytes)
        }
      }
    }
  }

  private let anna = MACAddress(0x52, 0x55, 0x55, 0, 0, 1)
  private let bert = MACAddress(0x52, 0x55, 0x55, 0, 0, 2)

  @Test func `who asks for a router is answered alone, and at once (RFC 4861 §6.2.6)`() {
    let scene = Scene()
    scene.asksForRouters(anna, from: .linkLocal(of: anna))
    let answers = scene.heard()
    #expect(answers.map(\.type) == [ICMPv6Type.routerAdvertisement])
    #expect(answers.first?.mac == anna && answers.first?.ip.destination == .linkLocal(of: anna))
    #expect(answers.first?.ip.source == .linkLocal(of: Self.gatewayMAC))
    // Before it has an address the answer is for all, in a frame for it alone.
    scene.asksForRouters(bert, from: .anyV6)
    let other = scene.heard()
    #expect(other.first?.mac == bert && other.first?.ip.destination == .allNodes)
    // The rate of replies to one station is limited; others are not affected.
    for _ in 0..<100 { scene.asksForRouters(anna, from: .linkLocal(of: anna)) }
    #expect(scene.heard().count < 10)
    scene.asksForRouters(bert, from: .anyV6)
    #expect(scene.heard().count == 1)
  }

  @Test func `the router tells all when the host finds its way, and loses it`() {
    let scene = Scene()
    func lifetime() -> [UInt16] {
      scene.heard().filter { $0.type == ICMPv6Type.routerAdvertisement }.map {
        UInt16($0.bytes[6]) << 8 | UInt16($0.bytes[7])
      }
    }
    scene.asksForRouters(anna, from: .linkLocal(of: anna))
    #expect(lifetime() == [0])
    scene.control.setRoute(true)
    #expect(lifetime() == [1800])
    scene.control.setRoute(true)
    #expect(lifetime() == [])
    scene.control.setRoute(false)
    #expect(lifetime() == [0])
  }

  @Test
  func `the gateway's addresses are answered for, and defended (RFC 4861 §7.2, RFC 4862 §5.4)`() {
    let scene = Scene()
    let own = Self.address(2)
    scene.says(
      anna, .solicitation(of: own, from: anna), from: .linkLocal(of: anna), to: own.solicitedNode)
    var answers = scene.heard()
    #expect(answers.map(\.type) == [ICMPv6Type.neighborAdvertisement])
    // Router, solicited, override.
    #expect(
      answers.first?.bytes[4] == 0xe0 && answers.first?.ip.destination == .linkLocal(of: anna))
    scene.says(anna, .solicitation(of: own, from: nil), from: .anyV6, to: own.solicitedNode)
    answers = scene.heard()
    #expect(answers.first?.bytes[4] == 0xa0 && answers.first?.ip.destination == .allNodes)
    // Nobody else's.
    scene.says(
      anna, .solicitation(of: Self.address(9), from: anna), from: .linkLocal(of: anna),
      to: Self.address(9).solicitedNode)
    #expect(scene.heard().isEmpty)
  }

  @Test func `an address is a station's a second after its probe, or when it speaks under it`() {
    let scene = Scene()
    let mine = Self.address(0x1234_5678)
    scene.says(anna, .solicitation(of: mine, from: nil), from: .anyV6, to: mine.solicitedNode)
    #expect(scene.control.primary(of: anna, port: Simulation.port) == nil && scene.changes == 1)
    #expect(scene.heard().isEmpty)
    scene.says(
      anna, .solicitation(of: Self.address(2), from: anna), from: mine,
      to: Self.address(2).solicitedNode)
    #expect(scene.simulation.stack.core.neighbor(mine, on: 1) == anna)
    // Nobody else can take it.
    scene.says(
      bert, .advertisement(of: mine, at: bert, isSolicited: false), from: .linkLocal(of: bert),
      to: .allNodes)
    #expect(scene.simulation.stack.core.neighbor(mine, on: 1) == anna)
    #expect(scene.control.counters.spoofed == 1)
    scene.simulation.stack.stationsDown([anna], port: Simulation.port)
    #expect(scene.control.addresses(port: Simulation.port).allSatisfy { $0.mac != anna })
  }

  @Test func `a guest that is configured by the host has the address that DHCPv6 would give it`() {
    let scene = Scene()
    let given = scene.control.reserve(port: Simulation.port, mac: anna)
    #expect(given.map { scene.control.configuration.prefix.contains($0) } == true)
    #expect(given == scene.control.reserve(port: Simulation.port, mac: anna))
    #expect(given != scene.control.reserve(port: Simulation.port, mac: bert))
    #expect(scene.control.primary(of: anna, port: Simulation.port) == given)
  }
}
