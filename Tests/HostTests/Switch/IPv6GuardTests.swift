// SPDX-License-Identifier: Apache-2.0

import PluginAPI
import TestSupport
import Testing
import Wire

@testable import Host

@Suite("Address guard of IPv6", .timeLimit(.minutes(5))) struct IPv6GuardTests: GuardFrames {
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
}
