// SPDX-License-Identifier: Apache-2.0
//
// A guest and its macvtap: which frames pass, and when the macvtap gets the guest's address.

import Platform
import PluginAPI
import Testing

@testable import Host

@Suite(.timeLimit(.minutes(1))) struct CardWireTests {
  private static let broadcast: UInt64 = 0xffff_ffff_ffff

  private final class Scene {
    let guest = SwitchTests.Guest(1)
    let card = SwitchTests.Guest(2)
    let fabric = Switch(plugin: Inbox().receiver)
    var now: UInt64 = 1_000_000_000_000
    var asked: [UInt64] = []
    var takes = true
    private var wire: CardWire?

    var it: CardWire {
      if let wire { return wire }
      let new = CardWire(
        guest, card, address: 0, learningSwitch: fabric, clock: { [unowned self] in now }
      ) { [unowned self] _, mac in
        asked.append(mac)
        return takes
      }
      wire = new
      return new
    }
  }

  private func frame(_ from: UInt64, _ to: UInt64, _ mark: UInt8 = 0) -> [UInt8] {
    MACText.bytes(to) + MACText.bytes(from) + [0x08, 0x00, mark] + [UInt8](repeating: 7, count: 46)
  }

  @Test func `the first frames wait for the macvtap's address, and go on in their order`() {
    let scene = Scene()
    let wire = scene.it
    let frames = (0..<3).map { frame(SwitchTests.mac(1), Self.broadcast, UInt8($0)) }
    scene.guest.says(frames)
    #expect(scene.card.take().isEmpty && scene.asked == [SwitchTests.mac(1)])
    wire.settled(SwitchTests.mac(1), failed: false)
    #expect(scene.card.take() == frames && wire.address == SwitchTests.mac(1))
    scene.guest.says(frames)
    #expect(scene.card.take() == frames && scene.asked.count == 1)
    scene.card.says([frames[0]])
    #expect(scene.guest.take() == [frames[0]])
  }

  @Test func `what waits is bounded, and is lost where the address is refused`() {
    let scene = Scene()
    let wire = scene.it
    let one = frame(SwitchTests.mac(1), Self.broadcast)
    for _ in 0..<100 { scene.guest.says([one]) }
    #expect(scene.fabric.counters.spoofed == 100 - 64)
    wire.settled(SwitchTests.mac(1), failed: true)
    #expect(scene.card.take().isEmpty && scene.fabric.counters.spoofed == 100)
    // Not at once again, and then again.
    scene.guest.says([one])
    #expect(scene.asked.count == 1)
    scene.now += CardWire.pause
    scene.guest.says([one])
    #expect(scene.asked.count == 2)
  }

  @Test func `a second address is dropped while the first is in use, and has it after a silence`() {
    let scene = Scene()
    let wire = scene.it
    wire.expect(SwitchTests.mac(1))
    wire.settled(SwitchTests.mac(1), failed: false)
    let own = frame(SwitchTests.mac(1), Self.broadcast)
    let other = frame(SwitchTests.mac(2), Self.broadcast)
    scene.guest.says([own, other, own])
    #expect(scene.card.take() == [own, own] && scene.fabric.counters.spoofed == 1)
    scene.now += CardWire.silence
    scene.guest.says([other])
    #expect(scene.asked == [SwitchTests.mac(1), SwitchTests.mac(2)])
    wire.settled(SwitchTests.mac(2), failed: false)
    #expect(scene.card.take() == [other])
  }

  @Test func `words between bridges and frames from groups do not pass`() {
    let scene = Scene()
    let wire = scene.it
    wire.expect(SwitchTests.mac(1))
    wire.settled(SwitchTests.mac(1), failed: false)
    let bridges: UInt64 = 0x0180_c200_0000
    scene.guest.says([
      frame(SwitchTests.mac(1), bridges), frame(0x0100_5e00_0001, Self.broadcast),
      frame(0, Self.broadcast),
    ])
    let own = frame(SwitchTests.mac(9), SwitchTests.mac(1))
    scene.card.says([frame(SwitchTests.mac(9), bridges | 0xe), own])
    #expect(scene.card.take().isEmpty && scene.guest.take() == [own])
    #expect(scene.fabric.counters.filtered == 4)
  }

  @Test func `after it is cut nothing passes, whatever was under way`() {
    let scene = Scene()
    let wire = scene.it
    scene.guest.says([frame(SwitchTests.mac(1), Self.broadcast)])
    wire.cut()
    wire.settled(SwitchTests.mac(1), failed: false)
    scene.guest.says([frame(SwitchTests.mac(1), Self.broadcast)])
    scene.card.says([frame(SwitchTests.mac(9), Self.broadcast)])
    #expect(scene.card.take().isEmpty && scene.guest.take().isEmpty)
  }
}
