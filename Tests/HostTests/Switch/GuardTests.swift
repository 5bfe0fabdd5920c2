// SPDX-License-Identifier: Apache-2.0

import PluginAPI
import Testing

@testable import Host

@Suite("Address guard") struct GuardTests {
  typealias Scene = SwitchTests.Scene

  private static let gatewayIP: UInt32 = 0xc0a8_6802
  private static let victimIP: UInt32 = 0xc0a8_6803

  /// A frame from guest `i`: ARP with a sender of choice.
  private func arp(_ i: Int, sender: UInt64, ip: UInt32, to: UInt64 = SwitchTests.broadcast)
    -> [UInt8]
  {
    func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
    }
    return bytes(to, 6) + bytes(SwitchTests.mac(i), 6) + [8, 6, 0, 1, 8, 0, 6, 4, 0, 2]
      + bytes(sender, 6) + bytes(UInt64(ip), 4) + bytes(to, 6) + bytes(0xc0a8_6804, 4)
  }

  private func guarded() -> Scene {
    let scene = Scene()
    #expect(scene.fabric.bind(Self.gatewayIP, to: SwitchTests.gateway, isOwn: true))
    #expect(scene.fabric.bind(Self.victimIP, to: SwitchTests.mac(1), isOwn: false))
    scene.guests[1].says([arp(1, sender: SwitchTests.mac(1), ip: Self.victimIP)])
    for guest in scene.guests { _ = guest.take() }
    scene.plugin.frames = []
    return scene
  }

  @Test("A guest's ARP cannot put the router's or another guest's address elsewhere")
  func arpIsHeldAgainstBindings() {
    let scene = guarded()
    var notices: [Switch.Notice] = []
    scene.fabric.onNotice = { notices.append($0) }
    for frame in [
      arp(0, sender: SwitchTests.mac(0), ip: Self.gatewayIP),
      arp(0, sender: SwitchTests.mac(0), ip: Self.victimIP),
      arp(0, sender: SwitchTests.mac(0), ip: Self.victimIP, to: SwitchTests.mac(2)),
      // In the victim's name, but not from it; and the other way round.
      arp(0, sender: SwitchTests.mac(1), ip: Self.victimIP),
    ] {
      scene.guests[0].says([frame])
    }
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
    #expect(scene.plugin.frames.isEmpty)
    #expect(scene.fabric.counters.arpSpoofed == 4)
    #expect(notices.contains(.arpSpoofed(scene.guests[0].handle, address: Self.gatewayIP)))
    // Its own, and what nobody has, it may claim; the owner may always.
    scene.guests[0].says([arp(0, sender: SwitchTests.mac(0), ip: 0xc0a8_6809)])
    scene.guests[1].says([arp(1, sender: SwitchTests.mac(1), ip: Self.victimIP)])
    #expect(scene.guests[2].take().count == 2)
    scene.fabric.unbind(Self.victimIP)
    scene.guests[0].says([arp(0, sender: SwitchTests.mac(0), ip: Self.victimIP)])
    #expect(scene.guests[2].take().count == 1)
  }

  @Test("The router's Ethernet address is nobody's, even before the router has spoken")
  func ownAddressesAreNotTaken() {
    let scene = guarded()
    scene.guests[0].says([SwitchTests.frame(SwitchTests.gateway, SwitchTests.broadcast)])
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
    #expect(scene.fabric.counters.spoofed == 1)
    #expect(scene.pluginSays([SwitchTests.frame(SwitchTests.gateway, SwitchTests.mac(1))]) == 1)
    scene.guests[0].says([SwitchTests.frame(SwitchTests.gateway, SwitchTests.broadcast)])
    #expect(scene.fabric.counters.spoofed == 2)
  }

  @Test("A bound station's address is taken over only when it is silent")
  func boundStationsMoveWhenSilent() {
    let scene = guarded()
    let theft = SwitchTests.frame(SwitchTests.mac(1), SwitchTests.mac(2))
    scene.guests[0].says([theft])
    #expect(scene.fabric.counters.spoofed == 1 && scene.fabric.counters.moved == 0)
    // Migrated: the new place speaks, the old one does not any more.
    scene.now += 3_000_000_000
    var notices: [Switch.Notice] = []
    scene.fabric.onNotice = { notices.append($0) }
    scene.guests[3].says([theft])
    #expect(scene.fabric.counters.moved == 1)
    #expect(
      notices == [.station(scene.guests[3].handle, mac: SwitchTests.mac(1), moved: true)])
    _ = scene.guests[1].take()
    #expect(scene.pluginSays([SwitchTests.frame(SwitchTests.gateway, SwitchTests.mac(1))]) == 1)
    #expect(scene.guests[3].take().count == 1 && scene.guests[1].take().isEmpty)
  }

  /// UDP from `from` to `to`, in an IPv4 packet with `options` bytes of options.
  private func udp(from: UInt16, to: UInt16, options: Int = 0, fragment: UInt16 = 0) -> [UInt8] {
    var frame = [UInt8](repeating: 0, count: 14 + 20 + options + 8)
    frame.replaceSubrange(
      0..<14, with: SwitchTests.frame(SwitchTests.mac(0), SwitchTests.broadcast)[..<14])
    frame.replaceSubrange(12..<15, with: [8, 0, 0x45 + UInt8(options / 4)])
    frame.replaceSubrange(20..<24, with: [UInt8(fragment >> 8), UInt8(fragment & 0xff), 64, 17])
    let ports = 14 + 20 + options
    frame[ports] = UInt8(from >> 8)
    frame[ports + 1] = UInt8(from & 0xff)
    frame[ports + 2] = UInt8(to >> 8)
    frame[ports + 3] = UInt8(to & 0xff)
    return frame
  }

  @Test("Guests are no DHCP servers where the plugin is one")
  func dhcpServersAreDropped() {
    let scene = guarded()
    scene.guests[0].says([udp(from: 67, to: 68)])
    #expect(scene.guests[1].take().count == 1)
    scene.fabric.serveDHCP(true)
    scene.guests[0].says([
      udp(from: 67, to: 68), udp(from: 67, to: 68, options: 8),
      udp(from: 4711, to: 68, fragment: 0x2000),
    ])
    #expect(scene.guests[1].take().isEmpty)
    #expect(scene.fabric.counters.dhcpServers == 3)
    // Clients, other ports and later fragments pass; so does what is too short to be either.
    let others = [
      udp(from: 68, to: 67), udp(from: 67, to: 69), udp(from: 67, to: 68, fragment: 7),
      Array(udp(from: 67, to: 68)[..<36]), Array(udp(from: 67, to: 68)[..<14]),
    ]
    scene.guests[0].says(others)
    #expect(scene.guests[1].take() == others)
  }

  @Test("Random ARP and UDP never trap, whatever their length")
  func garbage() {
    let scene = guarded()
    scene.fabric.serveDHCP(true)
    var random = SeededGenerator(3)
    for length in 14...80 {
      for type in [[8, 6], [8, 0]] as [[UInt8]] {
        var bytes = random.bytes(length)
        bytes[6] = 0x52
        bytes.replaceSubrange(12..<14, with: type)
        if length > 23 { bytes[23] = 17 }
        scene.guests[0].says([bytes])
      }
    }
    #expect(scene.fabric.addressCount > 0)
  }

  @Test("A plugin that waits for one guest at a time is never cut short")
  func patience() {
    let scene = Scene()
    scene.fabric.waitsPatiently = true
    scene.guests[1].says([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.broadcast)])
    scene.guests[1].room = 0
    let frame = SwitchTests.frame(SwitchTests.gateway, SwitchTests.mac(1))
    for _ in 0..<3 {
      #expect(scene.pluginSays([frame]) == 0)
      scene.now += 10_000_000_000
    }
    #expect(scene.fabric.counters.stalled == 0)
  }
}
