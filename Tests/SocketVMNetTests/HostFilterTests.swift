// SPDX-License-Identifier: Apache-2.0
//
// What crosses the TAP between guests and host, frame by frame.

import SocketVMNetCore
import Testing
import Wire

@Suite(.timeLimit(.minutes(1))) struct HostFilterTests {
  private static let gatewayMAC: UInt64 = 0x0201_d69e_a401
  private static let guestMAC: UInt64 = 0x5255_5500_0001
  private let filter = HostFilter(
    mac: gatewayMAC, gateway: 0xc0a8_6901, prefixLength: 24, servesDNS: true)

  private static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
  }

  private static func ethernet(_ to: UInt64, _ from: UInt64, _ type: UInt16) -> [UInt8] {
    bytes(to, 6) + bytes(from, 6) + bytes(UInt64(type), 2)
  }

  /// An IPv4 packet with 8 bytes of payload beginning with two ports.
  private static func packet(
    _ source: UInt32, _ destination: UInt32, proto: UInt8 = 6, first: UInt8 = 0x45,
    fragment: UInt16 = 0, from: UInt16 = 40000, port: UInt16 = 80
  ) -> [UInt8] {
    [first, 0, 0, 28, 0, 0] + bytes(UInt64(fragment), 2) + [64, proto, 0, 0]
      + bytes(UInt64(source), 4) + bytes(UInt64(destination), 4) + bytes(UInt64(from), 2)
      + bytes(UInt64(port), 2) + [0, 8, 0, 0]
  }

  private static let guest: UInt32 = 0xc0a8_6902
  private static let gateway: UInt32 = 0xc0a8_6901

  private static func icmp(_ type: UInt8, _ source: UInt32, _ destination: UInt32) -> [UInt8] {
    packet(source, destination, proto: 1, from: UInt16(type) << 8)
  }

  private static func arp(
    _ operation: UInt16, _ sender: UInt64, _ senderIP: UInt32, _ targetIP: UInt32
  ) -> [UInt8] {
    [0, 1, 8, 0, 6, 4] + bytes(UInt64(operation), 2) + bytes(sender, 6)
      + bytes(UInt64(senderIP), 4) + bytes(0, 6) + bytes(UInt64(targetIP), 4)
  }

  private func way(_ frame: [UInt8]) -> HostFilter.Way {
    frame.withByteView { filter.fromGuest($0) }
  }

  private func passes(_ frame: [UInt8]) -> Bool {
    frame.withByteView { filter.fromHost($0) }
  }

  private func way(ip: [UInt8], to: UInt64 = Self.gatewayMAC) -> HostFilter.Way {
    way(Self.ethernet(to, Self.guestMAC, 0x0800) + ip)
  }

  @Test func `a guest reaches the gateway's own address by the host, and all else by the stack`() {
    #expect(way(ip: Self.packet(Self.guest, Self.gateway)) == .host)
    #expect(way(ip: Self.packet(Self.guest, Self.gateway, proto: 17)) == .host)
    #expect(way(ip: Self.icmp(8, Self.guest, Self.gateway)) == .host)
    for other: UInt32 in [0x0808_0808, 0x7f00_0001, 0xc0a8_0101, 0xc0a8_6903, 0xc0a8_69ff] {
      #expect(way(ip: Self.packet(Self.guest, other)) == .stack)
      #expect(way(ip: Self.packet(Self.guest, other, proto: 17)) == .stack)
    }
  }

  @Test func `what does not come from a guest's address never reaches the host`() {
    for source: UInt32 in [
      0, 0x7f00_0001, 0xc0a8_6901, 0xc0a8_6900, 0xc0a8_69ff, 0x0a00_0001, 0xe000_0001, 0xffff_ffff,
    ] {
      #expect(way(ip: Self.packet(source, Self.gateway)) == .stack)
    }
  }

  @Test func `DHCP and DNS are the network's own`() {
    #expect(way(ip: Self.packet(Self.guest, Self.gateway, proto: 17, port: 67)) == .stack)
    #expect(way(ip: Self.packet(Self.guest, Self.gateway, proto: 17, port: 53)) == .stack)
    #expect(way(ip: Self.packet(Self.guest, Self.gateway, port: 53)) == .stack)
    #expect(
      way(ip: Self.packet(0, 0xffff_ffff, proto: 17, port: 67), to: 0xffff_ffff_ffff) == .stack)
    let toHost = HostFilter(
      mac: Self.gatewayMAC, gateway: Self.gateway, prefixLength: 24, servesDNS: false)
    let question =
      Self.ethernet(Self.gatewayMAC, Self.guestMAC, 0x0800)
      + Self.packet(Self.guest, Self.gateway, proto: 17, port: 53)
    #expect(question.withByteView { toHost.fromGuest($0) } == .host)
  }

  @Test func `DHCP answers, redirects, router discovery and IP options of a guest reach nobody`() {
    #expect(way(ip: Self.packet(Self.guest, Self.gateway, proto: 17, port: 68)) == .drop)
    for type: UInt8 in [4, 5, 9, 10, 13, 15, 17] {
      #expect(way(ip: Self.icmp(type, Self.guest, Self.gateway)) == .drop)
    }
    #expect(way(ip: Self.packet(Self.guest, Self.gateway, first: 0x46)) == .drop)
    // A broadcast answer, and one in pieces.
    #expect(
      way(ip: Self.packet(Self.guest, 0xffff_ffff, proto: 17, port: 68), to: 0xffff_ffff_ffff)
        != .host)
    #expect(
      way(ip: Self.packet(Self.guest, Self.gateway, proto: 17, fragment: 0x2000, port: 53)) == .drop
    )
  }

  @Test func `other protocols, tags and IPv6 never reach the host`() {
    for proto: UInt8 in [2, 4, 41, 47, 50, 89, 132] {
      #expect(way(ip: Self.packet(Self.guest, Self.gateway, proto: proto)) == .stack)
    }
    for type: UInt16 in [0x86dd, 0x8100, 0x88a8, 0x88cc, 0x0000] {
      for to: UInt64 in [Self.gatewayMAC, 0xffff_ffff_ffff, 0x3333_0000_0001] {
        let frame =
          Self.ethernet(to, Self.guestMAC, type) + Self.packet(Self.guest, Self.gateway)
        #expect(way(frame) == .stack)
      }
    }
  }

  @Test func `datagrams for all go to the host, where their scope is the network`() {
    let mdns = Self.packet(Self.guest, 0xe000_00fb, proto: 17, port: 5353)
    #expect(way(ip: mdns, to: 0x0100_5e00_00fb) == .host)
    let broadcast = Self.packet(Self.guest, 0xc0a8_69ff, proto: 17, port: 137)
    #expect(way(ip: broadcast, to: 0xffff_ffff_ffff) == .host)
    #expect(
      way(ip: Self.packet(Self.guest, 0xefff_fffa, proto: 17, port: 1900), to: 0x0100_5e7f_fffa)
        == .stack)
    #expect(
      way(ip: Self.packet(Self.guest, 0xe000_0005, proto: 89), to: 0x0100_5e00_0005) == .stack)
    // The gateway's own address behind a group address is no trick.
    #expect(way(ip: Self.packet(Self.guest, Self.gateway), to: 0xffff_ffff_ffff) == .stack)
  }

  @Test func `ARP that says where a guest is reaches both stacks, other only ours`() {
    func frame(_ body: [UInt8], to: UInt64 = Self.gatewayMAC) -> [UInt8] {
      Self.ethernet(to, Self.guestMAC, 0x0806) + body
    }
    #expect(way(frame(Self.arp(2, Self.guestMAC, Self.guest, Self.gateway))) == .both)
    let question = Self.arp(1, Self.guestMAC, Self.guest, Self.gateway)
    #expect(way(frame(question)) == .both)
    #expect(way(frame(question, to: 0xffff_ffff_ffff)) == .both)
    #expect(way(frame(Self.arp(3, Self.guestMAC, Self.guest, Self.gateway))) == .stack)
    // For the other guests, and a probe (RFC 5227), which has no sender's address.
    #expect(way(frame(Self.arp(1, Self.guestMAC, Self.guest, 0xc0a8_6903))) == .stack)
    #expect(way(frame(Self.arp(1, Self.guestMAC, 0, Self.gateway))) == .stack)
    // The gateway's own address is no guest's to claim.
    #expect(way(frame(Self.arp(1, Self.guestMAC, Self.gateway, Self.gateway))) == .stack)
    #expect(way(frame(Self.arp(2, Self.guestMAC, 0x0a00_0001, Self.gateway))) == .stack)
    #expect(way(frame(Self.arp(2, 0x5255_5500_0002, Self.guest, Self.gateway))) == .stack)
    #expect(way(frame(Self.arp(2, Self.guestMAC, Self.guest, 0x0a00_0001))) == .stack)
    let gratuitous = Self.arp(1, Self.guestMAC, Self.guest, Self.guest)
    #expect(way(frame(gratuitous, to: 0xffff_ffff_ffff)) == .both)
    let tokenRing = [0, 6] + gratuitous[2...]
    #expect(way(frame(tokenRing, to: 0xffff_ffff_ffff)) == .stack)
  }

  @Test func `short frames are read no further than they are`() {
    let whole =
      Self.ethernet(Self.gatewayMAC, Self.guestMAC, 0x0800) + Self.packet(Self.guest, Self.gateway)
    // Ports are within its first 38 bytes.
    for length in 14..<38 {
      #expect(way(Array(whole[..<length])) != .host)
    }
    let arp =
      Self.ethernet(Self.gatewayMAC, Self.guestMAC, 0x0806)
      + Self.arp(2, Self.guestMAC, Self.guest, Self.gateway)
    for length in 14..<arp.count { #expect(way(Array(arp[..<length])) == .stack) }
  }

  @Test func `the host speaks to guests as the gateway, and as nobody else`() {
    func ip(_ body: [UInt8], from: UInt64 = Self.gatewayMAC) -> [UInt8] {
      Self.ethernet(Self.guestMAC, from, 0x0800) + body
    }
    #expect(passes(ip(Self.packet(Self.gateway, Self.guest))))
    #expect(passes(ip(Self.packet(Self.gateway, 0xe000_00fb, proto: 17, port: 5353))))
    #expect(!passes(ip(Self.packet(0x0a00_0001, Self.guest))))
    #expect(!passes(ip(Self.packet(Self.gateway, 0x0a00_0001))))
    #expect(!passes(ip(Self.packet(Self.gateway, Self.guest), from: Self.guestMAC)))
    #expect(!passes(ip(Self.packet(Self.gateway, Self.guest, proto: 17, port: 68))))
    #expect(!passes(ip(Self.packet(Self.gateway, Self.guest, proto: 17, from: 67))))
    #expect(!passes(ip(Self.icmp(5, Self.gateway, Self.guest))))
    #expect(!passes(ip(Self.icmp(9, Self.gateway, Self.guest))))
    #expect(passes(ip(Self.icmp(0, Self.gateway, Self.guest))))
    let arp = Self.ethernet(0xffff_ffff_ffff, Self.gatewayMAC, 0x0806)
    #expect(passes(arp + Self.arp(1, Self.gatewayMAC, Self.gateway, Self.guest)))
    #expect(!passes(arp + Self.arp(1, Self.gatewayMAC, 0x0a00_0001, Self.guest)))
    #expect(!passes(arp + Self.arp(1, Self.guestMAC, Self.gateway, Self.guest)))
    #expect(!passes(arp + Self.arp(1, Self.gatewayMAC, Self.gateway, 0x0a00_0001)))
    #expect(
      !passes(Self.ethernet(Self.guestMAC, Self.gatewayMAC, 0x86dd) + [0x60] + Self.bytes(0, 39)))
    for length in 14..<34 {
      #expect(!passes(Array(ip(Self.packet(Self.gateway, Self.guest))[..<length])))
    }
  }
}
