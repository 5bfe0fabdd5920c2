// SPDX-License-Identifier: Apache-2.0
//
// Uplinks that only the plugin hears and speaks to (LND_UPLINK_DIRECT), and what it hands on from
// them.

import PluginAPI
import Testing

@testable import Host

@Suite(.timeLimit(.minutes(1))) struct DirectPortTests {
  private typealias Guest = SwitchTests.Guest

  private static func frame(_ from: UInt64, _ to: UInt64) -> [UInt8] {
    SwitchTests.frame(from, to)
  }

  private static func relay(_ scene: SwitchTests.Scene, _ frames: [[UInt8]]) {
    let owned = frames.map { OwnedFrame($0) }
    let raw = owned.map(\.frame)
    withExtendedLifetime(owned) {
      raw.withUnsafeBufferPointer { buffer in
        if let base = buffer.baseAddress { scene.fabric.relay(base, buffer.count) }
      }
    }
  }

  @Test func `what a direct uplink says reaches the plugin alone, by its own port`() throws {
    let scene = SwitchTests.Scene()
    let uplink = Guest(9)
    let handle = try #require(scene.fabric.attach(uplink, as: .direct))
    let frame = Self.frame(SwitchTests.gateway, SwitchTests.broadcast)
    uplink.says([frame])
    #expect(scene.plugin.bytes == [frame])
    #expect(scene.plugin.frames.first?.handle == handle)
    for guest in scene.guests { #expect(guest.take().isEmpty) }
    #expect(!scene.fabric.isGuest(handle))
    // It has taught the switch nothing.
    #expect(scene.fabric.addressCount == 0)
  }

  @Test func `no flood reaches a direct uplink, only what the plugin sends to it`() throws {
    let scene = SwitchTests.Scene()
    let uplink = Guest(9)
    let handle = try #require(scene.fabric.attach(uplink, as: .direct))
    scene.guests[0].says([Self.frame(SwitchTests.mac(0), SwitchTests.broadcast)])
    scene.guests[0].says([Self.frame(SwitchTests.mac(0), SwitchTests.mac(77))])
    _ = scene.pluginSays([Self.frame(SwitchTests.gateway, SwitchTests.broadcast)])
    #expect(uplink.take().isEmpty)
    let own = OwnedFrame(Self.frame(SwitchTests.mac(0), SwitchTests.gateway))
    withExtendedLifetime(own) {
      var item = own.frame
      #expect(scene.fabric.send(handle, &item, 1) == 1)
    }
    #expect(uplink.take().count == 1)
    scene.fabric.detach(uplink)
    // The place is free for a guest, who is flooded to again.
    let guest = Guest(10)
    #expect(scene.fabric.attach(guest, as: .guest) != nil)
    scene.guests[0].says([Self.frame(SwitchTests.mac(0), SwitchTests.broadcast)])
    #expect(guest.take().count == 1)
  }

  @Test func `frames relayed come from the plugin's address and never make it wait`() throws {
    let scene = SwitchTests.Scene()
    scene.guests[1].says([Self.frame(SwitchTests.mac(1), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    scene.guests[1].room = 0
    let frame = Self.frame(SwitchTests.gateway, SwitchTests.mac(1))
    Self.relay(scene, [frame, frame])
    // A guest's port takes them by its queue, as those of another guest.
    #expect(scene.guests[1].take() == [frame, frame])
    #expect(!scene.guests[1].owesReady)
    #expect(scene.guests[0].take().isEmpty)
    let all = Self.frame(SwitchTests.gateway, SwitchTests.broadcast)
    Self.relay(scene, [all])
    for guest in scene.guests where guest !== scene.guests[1] { #expect(guest.take() == [all]) }
    // The plugin's own by the guard: a guest that sends by it is refused.
    #expect(scene.fabric.bind(1, to: SwitchTests.gateway, isOwn: true) == .ok)
    scene.guests[2].says([Self.frame(SwitchTests.gateway, SwitchTests.mac(1))])
    #expect(scene.fabric.counters.spoofed == 1)
  }
}
