// SPDX-License-Identifier: Apache-2.0

import PluginAPI
import TestSupport
import Testing
import Wire

@testable import Host

@Suite("Address guard", .timeLimit(.minutes(5))) struct GuardTests: GuardFrames {
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
    // And whose they were.
    #expect(scene.guests.map { $0.counters.arpSpoofed }.reduce(0, +) == 4)
    #expect(scene.guests[0].counters.arpSpoofed > 0)
    #expect(
      notices.contains(.arpSpoofed(scene.guests[0].handle, address: IPAddress(v4: Self.gatewayIP))))
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
    _ = scene.guests[1].take()
    scene.guests[0].says([SwitchTests.frame(SwitchTests.gateway, SwitchTests.broadcast)])
    #expect(scene.fabric.counters.spoofed == 2)
  }

  @Test("A bound station's address moves when it is silent and does not answer")
  func boundStationsMoveWhenSilent() {
    let scene = guarded()
    let theft = SwitchTests.frame(SwitchTests.mac(1), SwitchTests.mac(2))
    scene.guests[0].says([theft])
    #expect(scene.fabric.counters.spoofed == 1 && scene.fabric.counters.moved == 0)
    // Migrated: the new place speaks, the old one does not any more.
    scene.now += 3_000_000_000
    var notices: [Switch.Notice] = []
    scene.guests[3].says([theft])
    #expect(scene.guests[1].take().count == 1)
    scene.now += 1_000_000_000
    scene.guests[3].says([theft])
    #expect(scene.fabric.counters.moved == 0 && scene.guests[1].take().isEmpty)
    scene.now += 1_000_000_000
    scene.fabric.onNotice = { notices.append($0) }
    scene.guests[3].says([theft])
    #expect(scene.fabric.counters.moved == 1)
    #expect(
      notices == [.station(scene.guests[3].handle, mac: SwitchTests.mac(1), moved: true)])
    _ = scene.guests[1].take()
    #expect(scene.pluginSays([SwitchTests.frame(SwitchTests.gateway, SwitchTests.mac(1))]) == 1)
    #expect(scene.guests[3].take().count == 1 && scene.guests[1].take().isEmpty)
  }

  @Test("A guest that is only quiet is asked, answers, and keeps its address")
  func quietStationsStay() {
    let scene = guarded()
    let theft = SwitchTests.frame(SwitchTests.mac(1), SwitchTests.mac(2))
    for _ in 0..<20 {
      scene.now += 3_000_000_000
      scene.guests[0].says([theft])
      let question = scene.guests[1].take()
      #expect(question.count == 1)
      // A request for the victim's address, from the router, to the victim alone.
      var expected = arp(1, sender: SwitchTests.gateway, ip: Self.gatewayIP)
      expected.replaceSubrange(0..<12, with: expected[6..<12] + expected[22..<28])
      expected[21] = 1
      expected.replaceSubrange(32..<42, with: [0, 0, 0, 0, 0, 0, 0xc0, 0xa8, 0x68, 3])
      #expect(question.first == expected + [UInt8](repeating: 0, count: 18))
      scene.guests[1].says([
        arp(1, sender: SwitchTests.mac(1), ip: Self.victimIP, to: SwitchTests.gateway)
      ])
      scene.now += 1_000_000_000
      scene.guests[0].says([theft])
      scene.guests[2].says([SwitchTests.frame(SwitchTests.mac(2), SwitchTests.mac(1))])
      #expect(scene.guests[1].take().count == 1)
    }
    #expect(scene.fabric.counters.moved == 0 && scene.fabric.counters.spoofed == 40)
  }

  @Test("Where nobody can be asked, silence is enough")
  func silenceAloneMoves() {
    let scene = Scene()
    #expect(scene.fabric.bind(Self.victimIP, to: SwitchTests.mac(1), isOwn: false) == .ok)
    scene.guests[1].says([arp(1, sender: SwitchTests.mac(1), ip: Self.victimIP)])
    scene.now += 3_000_000_000
    scene.guests[0].says([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.mac(2))])
    #expect(scene.fabric.counters.moved == 1)
  }

  @Test("A guest that changes its Ethernet address keeps its IP address, if the plugin says so")
  func changedStations() {
    let scene = guarded()
    scene.guests[2].says([SwitchTests.frame(SwitchTests.mac(2), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    scene.plugin.frames = []
    let new = SwitchTests.mac(9)
    let claim = arp(9, sender: new, ip: Self.victimIP)
    let answer = arp(9, sender: new, ip: Self.victimIP, to: SwitchTests.mac(2))
    // An announcement of it.
    var announcement = claim
    announcement[21] = 1
    announcement.replaceSubrange(32..<42, with: [0, 0, 0, 0, 0, 0, 0xc0, 0xa8, 0x68, 3])
    announcement += [UInt8](repeating: 0, count: 18)
    scene.guests[1].says([claim, answer])
    #expect(scene.plugin.bytes == [announcement, announcement])
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
    #expect(scene.fabric.counters.arpSpoofed == 2)
    scene.plugin.frames = []
    scene.plugin.onFrames = { [unowned scene] _, _, _ in
      _ = scene.fabric.bind(Self.victimIP, to: new, isOwn: false)
    }
    scene.guests[1].says([answer])
    #expect(scene.plugin.bytes == [announcement])
    #expect(scene.guests[2].take() == [answer])
    scene.plugin.onFrames = nil
    scene.guests[1].says([claim])
    #expect(scene.plugin.bytes == [announcement, claim])
    #expect(scene.guests[2].take() == [claim] && scene.guests[1].take().isEmpty)
    #expect(scene.fabric.counters.arpSpoofed == 2)
    // It is the new one's, and no other port's.
    scene.plugin.frames = []
    _ = scene.guests[0].take()
    scene.guests[0].says([arp(0, sender: SwitchTests.mac(0), ip: Self.victimIP)])
    scene.guests[0].says([claim])
    #expect(scene.fabric.counters.arpSpoofed == 3 && scene.fabric.counters.spoofed == 1)
    #expect(scene.plugin.frames.isEmpty && scene.guests[2].take().isEmpty)
    // And back again.
    scene.plugin.onFrames = { [unowned scene] _, _, _ in
      _ = scene.fabric.bind(Self.victimIP, to: SwitchTests.mac(1), isOwn: false)
    }
    let back = arp(1, sender: SwitchTests.mac(1), ip: Self.victimIP)
    scene.guests[1].says([back])
    #expect(scene.guests[2].take() == [back])
    #expect(scene.fabric.counters.arpSpoofed == 3)
  }

  @Test("The plugin is not asked about its own address, nor for one that has its own or lies")
  func claimsThatAreNoChange() {
    let scene = guarded()
    #expect(scene.fabric.bind(0xc0a8_6815, to: SwitchTests.mac(15), isOwn: false) == .ok)
    scene.guests[1].says([
      arp(9, sender: SwitchTests.mac(9), ip: Self.gatewayIP),
      arp(15, sender: SwitchTests.mac(15), ip: Self.victimIP),
      arp(9, sender: SwitchTests.mac(8), ip: Self.victimIP),
      arp(9, sender: SwitchTests.mac(1), ip: Self.victimIP),
    ])
    #expect(scene.fabric.counters.arpSpoofed == 4)
    #expect(scene.plugin.frames.isEmpty && scene.guests[2].take().isEmpty)
    // Nor when the one that has it is gone from that port.
    scene.fabric.detach(scene.guests[1])
    scene.guests[0].says([arp(9, sender: SwitchTests.mac(9), ip: Self.victimIP)])
    #expect(scene.fabric.counters.arpSpoofed == 5 && scene.plugin.frames.isEmpty)
  }

  @Test("Packets from the router's or another guest's address are dropped and counted")
  func ipSources() {
    let scene = guarded()
    scene.guests[2].says([SwitchTests.frame(SwitchTests.mac(2), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    var notices: [Switch.Notice] = []
    scene.fabric.onNotice = { notices.append($0) }
    let own = ipv4(0, from: 0xc0a8_6809)
    scene.guests[0].says([own, ipv4(0, from: Self.gatewayIP), own, ipv4(0, from: Self.victimIP)])
    #expect(scene.guests[2].take() == [own, own])
    #expect(scene.fabric.counters.ipSpoofed == 2)
    #expect(
      notices.contains(.ipSpoofed(scene.guests[0].handle, address: IPAddress(v4: Self.gatewayIP))))
    scene.guests[1].says([ipv4(1, from: Self.victimIP)])
    #expect(scene.guests[2].take().count == 1)
    // What was vouched for is not, once it is another's.
    #expect(scene.fabric.bind(0xc0a8_6809, to: SwitchTests.mac(3), isOwn: false) == .ok)
    scene.guests[0].says([own])
    #expect(scene.guests[2].take().isEmpty && scene.fabric.counters.ipSpoofed == 3)
    // A guest that forwards for one behind its link.
    #expect(scene.fabric.bind(0xc0a8_6815, to: SwitchTests.mac(15), isOwn: false) == .ok)
    scene.guests[0].says([SwitchTests.frame(SwitchTests.mac(15), SwitchTests.mac(2))])
    scene.guests[0].says([ipv4(0, from: 0xc0a8_6815)])
    #expect(scene.guests[2].take().count == 2 && scene.fabric.counters.ipSpoofed == 3)
  }

  @Test("Tags of priority hide nothing; what is in a VLAN is its own affair")
  func tags() {
    let scene = guarded()
    scene.fabric.serveDHCP(true)
    func tagged(_ frame: [UInt8], _ tags: [[UInt8]]) -> [UInt8] {
      Array(frame[..<12]) + tags.flatMap { $0 } + Array(frame[12...])
    }
    let priority: [UInt8] = [0x81, 0, 0xe0, 0]
    let theft = arp(0, sender: SwitchTests.mac(0), ip: Self.gatewayIP)
    for tags in [[priority], [[0x88, 0xa8, 0, 0], priority]] {
      scene.guests[0].says([
        tagged(theft, tags), tagged(ipv4(0, from: Self.victimIP), tags),
        tagged(udp(from: 67, to: 68), tags),
      ])
    }
    let counters = scene.fabric.counters
    #expect(counters.arpSpoofed == 2 && counters.ipSpoofed == 2 && counters.dhcpServers == 2)
    scene.guests[0].says([tagged(theft, Array(repeating: priority, count: 20))])
    #expect(scene.fabric.counters.filtered == 1)
    #expect(scene.guests[2].take().isEmpty)
    let vlan = tagged(theft, [[0x81, 0, 0, 7]])
    let short = Array(tagged(theft, [priority])[..<16])
    scene.guests[0].says([vlan, short])
    #expect(scene.guests[2].take() == [vlan, short])
  }

  @Test("What is encapsulated as on token rings hides nothing either (RFC 1042)")
  func snap() {
    let scene = guarded()
    scene.fabric.serveDHCP(true)
    func encapsulated(_ frame: [UInt8]) -> [UInt8] {
      let body = [0xaa, 0xaa, 3, 0, 0, 0] + frame[12...]
      return frame[..<12] + [UInt8(body.count >> 8), UInt8(body.count & 0xff)] + body
    }
    scene.guests[0].says([
      encapsulated(arp(0, sender: SwitchTests.mac(0), ip: Self.gatewayIP)),
      encapsulated(ipv4(0, from: Self.victimIP)), encapsulated(udp(from: 67, to: 68)),
    ])
    let counters = scene.fabric.counters
    #expect(counters.arpSpoofed == 1 && counters.ipSpoofed == 1 && counters.dhcpServers == 1)
    #expect(scene.guests[2].take().isEmpty)
    let others = [
      encapsulated(ipv4(0, from: 0xc0a8_6809)), Array(encapsulated(udp(from: 67, to: 68))[..<20]),
      SwitchTests.frame(SwitchTests.mac(0), SwitchTests.broadcast)[..<12] + [0, 3, 0x42, 0x42, 3],
    ]
    scene.guests[0].says(others)
    #expect(scene.guests[1].take().count == 3)
  }

  @Test("Random ARP, UDP, IPv6 and tags never trap, whatever their length")
  func garbage() {
    let scene = guarded()
    scene.fabric.serveDHCP(true)
    var random = SeededGenerator(seed: 3)
    for length in 14...80 {
      for type in [[8, 6], [8, 0], [0x86, 0xdd], [0x81, 0]] as [[UInt8]] {
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
