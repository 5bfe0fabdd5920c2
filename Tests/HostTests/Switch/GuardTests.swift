// SPDX-License-Identifier: Apache-2.0

import PluginAPI
import TestSupport
import Testing
import Wire

@testable import Host

extension Switch {
  /// IPv4 addresses as numbers, first byte highest.
  func bind(_ address: UInt32, to mac: UInt64, isOwn: Bool) -> Bound {
    bind(IPAddress(v4: address), to: mac, isOwn: isOwn)
  }
  func unbind(_ address: UInt32) { unbind(IPAddress(v4: address)) }
}

@Suite("Address guard", .timeLimit(.minutes(5))) struct GuardTests {
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
    #expect(scene.fabric.bind(Self.gatewayIP, to: SwitchTests.gateway, isOwn: true) == .ok)
    #expect(scene.fabric.bind(Self.victimIP, to: SwitchTests.mac(1), isOwn: false) == .ok)
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

  /// An IPv4 packet of guest `i` from an address of choice.
  private func ipv4(_ i: Int, from address: UInt32, to: UInt64 = SwitchTests.mac(2)) -> [UInt8] {
    var frame = SwitchTests.frame(SwitchTests.mac(i), to)
    frame.replaceSubrange(12..<15, with: [8, 0, 0x45])
    for k in 0..<4 { frame[26 + k] = UInt8(truncatingIfNeeded: address >> UInt32(24 - 8 * k)) }
    return frame
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

  private static let gateway6 = IPAddress(high: 0xfd00_0000_0000_0001, low: 2)
  private static let victim6 = IPAddress(high: 0xfd00_0000_0000_0001, low: 3)
  private static let free6 = IPAddress(high: 0xfd00_0000_0000_0001, low: 9)

  /// A neighbor advertisement or solicitation of guest `i`, behind extension headers of the given types.
  private func neighbor(
    _ i: Int, _ type: UInt8, of target: IPAddress, from source: IPAddress = .linkLocal(of: .zero),
    says station: UInt64?, behind headers: [UInt8] = []
  ) -> [UInt8] {
    var frame = Array(SwitchTests.frame(SwitchTests.mac(i), SwitchTests.broadcast)[..<12])
    let types = headers + [58]
    frame += [0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, types[0], 255]
    let option = station.map { station in
      [type == 136 ? 2 : 1, 1]
        + (0..<6).map { UInt8(truncatingIfNeeded: station >> UInt64(40 - 8 * $0)) }
    }
    let tail = [UInt8](capacity: 56) { out in
      out.storeV6(source, at: 0)
      out.storeV6(.allNodes, at: 16)
      out.store(type, at: 32)
      out.storeV6(target, at: 40)
      return 56
    }
    frame += tail[..<32]
    for next in types.dropFirst() { frame += [next, 0, 0, 0, 0, 0, 0, 0] }
    return frame + tail[32...] + (option ?? [])
  }

  private func guarded6() -> Scene {
    let scene = guarded()
    #expect(scene.fabric.bind(Self.gateway6, to: SwitchTests.gateway, isOwn: true) == .ok)
    #expect(scene.fabric.bind(Self.victim6, to: SwitchTests.mac(1), isOwn: false) == .ok)
    return scene
  }

  @Test(
    "A guest's neighbor discovery cannot put the router's or another guest's address elsewhere (RFC 4861, 6620)"
  )
  func neighborsAreHeldAgainstBindings() {
    let scene = guarded6()
    var notices: [Switch.Notice] = []
    scene.fabric.onNotice = { notices.append($0) }
    let own = SwitchTests.mac(0)
    let thefts = [
      neighbor(0, 136, of: Self.gateway6, says: own), neighbor(0, 136, of: Self.victim6, says: own),
      neighbor(0, 136, of: Self.victim6, says: nil),
      neighbor(0, 136, of: Self.victim6, says: SwitchTests.mac(1)),
      neighbor(0, 136, of: Self.victim6, says: own, behind: [60]),
    ]
    scene.guests[0].says(thefts)
    #expect(scene.fabric.counters.ndpSpoofed == 5)
    #expect(notices.contains(.ndpSpoofed(scene.guests[0].handle, address: Self.gateway6)))
    // A question in another's name.
    scene.guests[0].says([neighbor(0, 135, of: Self.free6, from: Self.victim6, says: own)])
    #expect(scene.fabric.counters.ipSpoofed == 1)
    // In fragments nobody may believe it (RFC 6980).
    scene.guests[0].says([neighbor(0, 136, of: Self.free6, says: own, behind: [44])])
    #expect(scene.fabric.counters.filtered == 1)
    #expect(scene.guests[2].take().isEmpty && scene.plugin.frames.isEmpty)
    // What nobody has, it may claim, and ask for everything; whoever has an address says so.
    scene.guests[0].says([
      neighbor(0, 136, of: Self.free6, says: own), neighbor(0, 135, of: Self.victim6, says: own),
      neighbor(0, 135, of: Self.victim6, from: .anyV6, says: nil),
    ])
    scene.guests[1].says([neighbor(1, 136, of: Self.victim6, says: SwitchTests.mac(1))])
    #expect(scene.guests[2].take().count == 4)
    scene.fabric.unbind(Self.victim6)
    scene.guests[0].says([neighbor(0, 136, of: Self.victim6, says: own)])
    #expect(scene.guests[2].take().count == 1)
  }

  @Test(
    "A guest that objects to every address keeps nobody from one, and who has it objects still (RFC 4862, 6620)"
  )
  func detectionIsHeldAgainstAll() {
    let scene = guarded6()
    let linkLocal = IPAddress(high: 0xfe80 << 48, low: 7)
    func probe(_ i: Int, of target: IPAddress) -> [UInt8] {
      neighbor(i, 135, of: target, from: .anyV6, says: nil)
    }
    func objection(_ i: Int, of target: IPAddress) -> [UInt8] {
      neighbor(i, 136, of: target, says: SwitchTests.mac(i))
    }
    func objections(_ target: IPAddress) -> [[UInt8]] {
      [
        objection(0, of: target), probe(0, of: target), neighbor(0, 136, of: target, says: nil),
        neighbor(0, 136, of: target, says: 0x0200_0000_0999),
        // Speaks under it.
        neighbor(0, 135, of: Self.gateway6, from: target, says: SwitchTests.mac(0)),
      ]
    }
    var notices: [Switch.Notice] = []
    scene.fabric.onNotice = { notices.append($0) }
    scene.guests[2].says([SwitchTests.frame(SwitchTests.mac(2), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    for target in [Self.free6, linkLocal] {
      scene.guests[2].says([probe(2, of: target)])
      #expect(scene.guests[0].take().count == 1)
      _ = scene.guests[3].take()
      scene.plugin.frames = []
      scene.guests[0].says(objections(target))
      #expect(scene.guests[2].take().isEmpty && scene.plugin.frames.isEmpty)
      // It probes again, and says that it has it.
      scene.guests[2].says([probe(2, of: target), objection(2, of: target)])
      #expect(scene.guests[3].take().count == 2)
      _ = scene.guests[0].take()
    }
    #expect(scene.fabric.counters.ndpSpoofed == 8 && scene.fabric.counters.ipSpoofed == 2)
    #expect(notices.contains(.ndpSpoofed(scene.guests[0].handle, address: Self.free6)))

    // Later it objects, whether the plugin bound the address or not.
    scene.now += 10_000_000_000
    for _ in 0..<2 {
      scene.guests[3].says([probe(3, of: Self.free6)])
      _ = scene.guests[0].take()
      #expect(scene.guests[2].take().count == 1)
      scene.guests[2].says([objection(2, of: Self.free6)])
      #expect(scene.guests[3].take().count == 1)
      scene.guests[0].says([objection(0, of: Self.free6)])
      #expect(scene.guests[3].take().isEmpty)
      _ = scene.guests[0].take()
      #expect(scene.fabric.bind(Self.free6, to: SwitchTests.mac(2), isOwn: false) == .ok)
    }
    // The guest's that has left are free.
    scene.guests[3].says([probe(3, of: Self.free6)])
    scene.fabric.detach(scene.guests[3])
    scene.fabric.detach(scene.guests[2])
    #expect(scene.fabric.addressGuard.tentative.count == 0)
  }

  @Test(
    "An address that is made of an Ethernet address is its station's, even if another foresaw it")
  func madeAddresses() {
    let scene = guarded6()
    let address = IPAddress.linkLocal(of: MACAddress(SwitchTests.mac(2)))
    #expect(address.interfaceMAC?.rawValue == SwitchTests.mac(2))
    #expect(Self.free6.interfaceMAC == nil)
    let probe = { neighbor($0, 135, of: address, from: .anyV6, says: nil) }
    let objection = { neighbor($0, 136, of: address, says: SwitchTests.mac($0)) }
    // Nobody knows the station yet.
    scene.guests[0].says([probe(0)])
    #expect(scene.guests[2].take().count == 1)
    #expect(scene.fabric.bind(address, to: SwitchTests.mac(0), isOwn: false) == .ok)
    scene.guests[2].says([probe(2)])
    #expect(scene.guests[0].take().count == 1)
    scene.guests[0].says([objection(0), probe(0)])
    #expect(scene.guests[2].take().isEmpty)
    #expect(scene.fabric.counters.ndpSpoofed == 2)
  }

  @Test("What a port is about to have is bounded, and costs nobody else his")
  func tentativeAddressesAreBounded() {
    var tentative = TentativeAddresses()
    tentative.claim(Self.free6, by: 1, mac: 1, now: 0)
    for number in 0..<10_000 {
      tentative.claim(IPAddress(high: 1, low: UInt64(number)), by: 0, mac: 9, now: 1)
    }
    #expect(tentative.count == TentativeAddresses.perPort + 1)
    #expect(tentative.other(than: 0, of: Self.free6, now: 2) == 1)
    #expect(tentative.other(than: 0, of: Self.free6, now: 3) == nil)
    #expect(tentative.other(than: 1, of: IPAddress(high: 1, low: 9_999), now: 2) == 9)
    tentative.depart(port: 0)
    #expect(tentative.count == 1)
  }

  @Test(
    "IPv6 packets from another guest's address are dropped, and those between others cost nothing")
  func ipv6Sources() {
    let scene = guarded6()
    func packet(_ i: Int, from source: IPAddress) -> [UInt8] {
      var frame = neighbor(i, 128, of: .anyV6, from: source, says: nil)
      frame[20] = 6
      return frame
    }
    scene.guests[0].says([
      packet(0, from: Self.free6), packet(0, from: Self.victim6), packet(0, from: Self.gateway6),
      packet(0, from: Self.free6),
    ])
    #expect(scene.guests[2].take().count == 2 && scene.fabric.counters.ipSpoofed == 2)
    scene.guests[1].says([packet(1, from: Self.victim6)])
    #expect(scene.guests[2].take().count == 1)
    #expect(scene.fabric.bind(Self.free6, to: SwitchTests.mac(3), isOwn: false) == .ok)
    scene.guests[0].says([packet(0, from: Self.free6)])
    #expect(scene.guests[2].take().isEmpty && scene.fabric.counters.ipSpoofed == 3)
  }

  /// An IPv6 packet: headers of the given types, each 8 bytes, then a payload.
  private func ipv6(_ headers: [UInt8], _ last: UInt8, _ payload: [UInt8]) -> [UInt8] {
    var frame = Array(SwitchTests.frame(SwitchTests.mac(0), SwitchTests.broadcast)[..<12])
    let types = headers + [last]
    frame += [0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, types[0], 255] + [UInt8](repeating: 1, count: 32)
    for next in types.dropFirst() { frame += [next, 0, 0, 0, 0, 0, 0, 0] }
    return frame + payload
  }

  @Test("Guests are no IPv6 routers and no DHCPv6 servers, behind whatever headers")
  func ipv6Servers() {
    let scene = guarded()
    let advertisement: [UInt8] = [134, 0] + [UInt8](repeating: 0, count: 14)
    let redirect: [UInt8] = [137, 0] + [UInt8](repeating: 0, count: 38)
    let toClient: [UInt8] = [2, 35, 2, 34, 0, 8, 0, 0]
    scene.guests[0].says([ipv6([], 58, advertisement)])
    #expect(scene.guests[1].take().count == 1)
    scene.fabric.serveDHCP(true)
    scene.guests[0].says([
      ipv6([], 58, advertisement), ipv6([0, 60, 43], 58, advertisement),
      ipv6([44], 58, advertisement), ipv6([], 58, redirect), ipv6([], 17, toClient),
      ipv6([60], 17, toClient),
    ])
    #expect(scene.fabric.counters.ipv6Routers == 4 && scene.fabric.counters.dhcpServers == 2)
    // More headers than there is use for, and a first fragment that ends before what it is about.
    scene.guests[0].says([
      ipv6(Array(repeating: 60, count: 9), 58, advertisement), ipv6([44, 60], 58, []),
    ])
    #expect(scene.fabric.counters.filtered == 2)
    #expect(scene.guests[1].take().isEmpty)
    let others = [
      ipv6([], 58, [135] + [UInt8](repeating: 0, count: 23)), ipv6([], 58, []), ipv6([60], 6, []),
      ipv6([], 17, [2, 34, 2, 35, 0, 8, 0, 0]), ipv6([], 59, []), ipv6([], 17, [2, 35]),
    ]
    scene.guests[0].says(others)
    #expect(scene.guests[1].take() == others)
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

  @Test("A client that still has another's address reaches the DHCP server, and nobody else")
  func clientsWithAnothersAddress() {
    let scene = guarded()
    scene.guests[2].says([SwitchTests.frame(SwitchTests.mac(2), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    scene.plugin.frames = []
    func request(to port: UInt16, at mac: UInt64) -> [UInt8] {
      var frame = udp(from: 68, to: port)
      frame.replaceSubrange(0..<6, with: SwitchTests.frame(SwitchTests.mac(0), mac)[..<6])
      frame.replaceSubrange(26..<30, with: [0xc0, 0xa8, 0x68, 3])
      return frame
    }
    let rebind = request(to: 67, at: SwitchTests.broadcast)
    scene.guests[0].says([rebind])
    #expect(scene.plugin.frames.isEmpty && scene.fabric.counters.ipSpoofed == 1)
    scene.fabric.serveDHCP(true)
    let renew = request(to: 67, at: SwitchTests.gateway)
    scene.guests[0].says([
      rebind, renew, request(to: 68, at: SwitchTests.broadcast),
      request(to: 67, at: SwitchTests.mac(2)), request(to: 53, at: SwitchTests.gateway),
    ])
    #expect(scene.plugin.bytes == [rebind, renew])
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
    #expect(scene.fabric.counters.ipSpoofed == 4)
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
