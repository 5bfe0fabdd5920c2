// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import PluginAPI
import Testing
import Wire

@testable import Host

@Suite("Port security", .timeLimit(.minutes(1))) struct PortSecurityTests {
  typealias Scene = SwitchTests.Scene

  /// 192.168.104.0/24, and fd00:104::/64 by the router's own address.
  private func scene(_ routers: [String] = [], floods: UInt64 = 1000) -> Scene {
    let scene = Scene()
    #expect(scene.fabric.bind(0xc0a8_6802, to: SwitchTests.gateway, isOwn: true) == .ok)
    let own = IPAddress(high: 0xfd00_0104_0000_0000, low: 2)
    #expect(scene.fabric.bind(own, to: SwitchTests.gateway, isOwn: true) == .ok)
    scene.fabric.secure(
      PortSecuritySpec(
        network: 0xc0a8_6800, prefixLength: 24, routers: routers, floodsPerSecond: floods))
    scene.guests[1].says([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    return scene
  }

  private func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
  }

  /// A datagram of guest 0 to guest 1.
  private func v4(from source: UInt32) -> [UInt8] {
    bytes(SwitchTests.mac(1), 6) + bytes(SwitchTests.mac(0), 6) + [8, 0, 0x45, 0, 0, 46]
      + bytes(0, 5) + [17] + bytes(0, 2) + bytes(UInt64(source), 4) + bytes(0xc0a8_6804, 4)
      + bytes(0, 26)
  }

  private func v6(from high: UInt64, _ low: UInt64) -> [UInt8] {
    bytes(SwitchTests.mac(1), 6) + bytes(SwitchTests.mac(0), 6) + [0x86, 0xdd, 0x60, 0, 0, 0, 0, 8]
      + [17, 64] + bytes(high, 8) + bytes(low, 8) + bytes(0xfd00_0104_0000_0000, 8) + bytes(9, 8)
      + bytes(0, 8)
  }

  @Test("Packets from addresses that are none of the network's reach nobody, of either family")
  func outside() {
    let scene = scene()
    var notices: [Switch.Notice] = []
    scene.fabric.onNotice = { notices.append($0) }
    for frame in [
      v4(from: 0x0808_0808), v4(from: 0xc0a8_6903), v4(from: 0x7f00_0001),
      v6(from: 0x2001_4860_4860_0000, 0x8888), v6(from: 0xfd00_0105_0000_0000, 7),
      // IPv4 mapped.
      v6(from: 0, 0xffff_0808_0808),
    ] {
      // Twice: what one packet was denied the next is, too.
      scene.guests[0].says([frame, frame])
    }
    #expect(scene.guests[1].take().isEmpty && scene.plugin.frames.count == 1)
    #expect(scene.guests[0].counters.ipOutside == 12 && scene.guests[0].counters.drops == 12)
    #expect(scene.fabric.counters.ipOutside == 12)
    #expect(
      notices.contains {
        if case .ipOutside(scene.guests[0].handle, IPAddress(v4: 0x0808_0808)) = $0 {
          true
        } else {
          false
        }
      })
    let fine = [
      v4(from: 0xc0a8_6809), v4(from: 0), v4(from: 0xa9fe_0101),
      v6(from: 0xfd00_0104_0000_0000, 9), v6(from: 0xfe80_0000_0000_0000, 1), v6(from: 0, 0),
    ]
    scene.guests[0].says(fine)
    #expect(scene.guests[1].take() == fine)
  }

  @Test("A guest that is declared a router forwards for others, by its name or Ethernet address")
  func routers() {
    for routers in [[MACText.text(SwitchTests.mac(0))], ["gate"]] {
      let scene = scene(routers)
      if routers == ["gate"] {
        let gate = SwitchTests.Guest(9, name: "gate")
        _ = scene.fabric.attach(gate, as: .guest)
        gate.says([v4(from: 0x0808_0808)])
      } else {
        scene.guests[0].says([v4(from: 0x0808_0808), v6(from: 0x2001_4860_4860_0000, 1)])
      }
      #expect(scene.guests[1].take().first == v4(from: 0x0808_0808))
      #expect(scene.fabric.counters.ipOutside == 0)
    }
  }

  @Test("An Ethernet address stays with its link, however silent, until that has gone")
  func pinned() {
    let scene = scene()
    let victim = SwitchTests.mac(1)
    // It has an IP address, and is silent for longer than addresses are remembered.
    #expect(scene.fabric.bind(0xc0a8_6803, to: victim, isOwn: false) == .ok)
    scene.now += 1_000_000_000_000
    let claim = SwitchTests.frame(victim, SwitchTests.broadcast)
    scene.guests[0].says([claim])
    scene.now += 3_000_000_000
    scene.guests[0].says([claim])
    scene.now += 3_000_000_000
    scene.guests[0].says([claim])
    #expect(scene.guests[0].counters.spoofed == 3)
    #expect(scene.guests[2].take().isEmpty)
    scene.fabric.detach(scene.guests[1])
    scene.guests[0].says([claim])
    #expect(scene.guests[2].take() == [claim])
  }

  @Test("Behind one link there are so many stations; others of it are not heard")
  func stations() {
    let scene = scene()
    for number in 0..<400 {
      scene.guests[0].says([
        SwitchTests.frame(0x5266_0000_0000 | UInt64(number), SwitchTests.mac(1))
      ])
    }
    #expect(scene.guests[1].take().count == Int(MACTable.securePortLimit))
  }

  @Test(
    "What a guest sends to all is bounded; the plugin hears it, and other guests have their own bound"
  )
  func floods() {
    let scene = scene(floods: 100)
    scene.plugin.frames = []
    for _ in 0..<10 {
      scene.guests[0].says(
        (0..<20).map { _ in SwitchTests.frame(SwitchTests.mac(0), SwitchTests.broadcast) })
    }
    #expect(scene.guests[1].take().count == 32 && scene.plugin.frames.count == 200)
    #expect(scene.guests[0].counters.floodsLimited == 168 && scene.guests[0].counters.drops == 0)
    // To one station nothing is bounded.
    scene.guests[0].says([SwitchTests.frame(SwitchTests.mac(0), SwitchTests.mac(1))])
    #expect(scene.guests[1].take().count == 1)
    scene.guests[2].says([SwitchTests.frame(SwitchTests.mac(2), SwitchTests.broadcast)])
    #expect(scene.guests[1].take().count == 1)
    // An address that nobody has counts, too; a second is worth a hundred.
    scene.now += 200_000_000
    scene.guests[0].says(
      (0..<50).map { _ in SwitchTests.frame(SwitchTests.mac(0), 0x0200_0000_0099) })
    #expect((19...21).contains(scene.guests[1].take().count))
  }

  @Test("Without it, and when it is taken away, nothing of it holds")
  func off() {
    let scene = scene(floods: 10)
    scene.fabric.secure(nil)
    scene.guests[0].says(
      [v4(from: 0x0808_0808)]
        + (0..<200).map { _ in SwitchTests.frame(SwitchTests.mac(0), SwitchTests.broadcast) })
    #expect(scene.guests[1].take().count == 201)
  }
}
