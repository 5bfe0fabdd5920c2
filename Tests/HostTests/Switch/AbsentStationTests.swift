// SPDX-License-Identifier: Apache-2.0

import PluginAPI
import Testing

@testable import Host

/// What is for one station reaches no other guest, whether that station is here, gone or unknown.
@Suite("Absent stations", .timeLimit(.minutes(1))) struct AbsentStationTests {
  typealias Scene = SwitchTests.Scene

  private func quiet(_ scene: Scene) -> Bool { scene.guests.allSatisfy { $0.take().isEmpty } }

  @Test("What the plugin sends to a station that is gone, or never was here, reaches nobody")
  func pluginsUnicast() {
    let scene = Scene()
    for i in 0..<4 {
      scene.guests[i].says([SwitchTests.frame(SwitchTests.mac(i), SwitchTests.broadcast)])
    }
    for guest in scene.guests { _ = guest.take() }
    scene.fabric.detach(scene.guests[1])
    let frames = [SwitchTests.mac(1), SwitchTests.mac(99)].map {
      SwitchTests.frame(SwitchTests.gateway, $0)
    }
    #expect(scene.pluginSays(frames) == 2)
    #expect(quiet(scene))
    #expect(scene.fabric.counters.absent == 2 && scene.fabric.counters.flooded == 4)
    // After any time.
    scene.now += 10_000_000_000_000
    #expect(scene.pluginSays(frames) == 2)
    #expect(quiet(scene))
    // But what is for all is.
    #expect(scene.pluginSays([SwitchTests.frame(SwitchTests.gateway, SwitchTests.broadcast)]) == 1)
    #expect(scene.guests[2].take().count == 1)
  }

  @Test(
    "What the plugin sends to a station that was silent for long goes where it was, and only there")
  func pluginsUnicastToSilent() {
    let scene = Scene()
    scene.guests[1].says([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    scene.now += 3_600_000_000_000
    let frame = SwitchTests.frame(SwitchTests.gateway, SwitchTests.mac(1))
    #expect(scene.pluginSays([frame]) == 1)
    #expect(scene.guests[1].take() == [frame])
    #expect(quiet(scene))
  }

  @Test(
    "What guests send to a station that left reaches the plugin and uplinks, and no other guest")
  func guestsUnicast() {
    let scene = Scene()
    let uplink = SwitchTests.Guest(77)
    _ = scene.fabric.attach(uplink, as: .uplink)
    scene.guests[1].says([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    _ = uplink.take()
    scene.fabric.detach(scene.guests[1])
    scene.plugin.frames = []
    let frame = SwitchTests.frame(SwitchTests.mac(0), SwitchTests.mac(1))
    scene.guests[0].says([frame])
    #expect(quiet(scene))
    #expect(uplink.take() == [frame] && scene.plugin.bytes == [frame])
    // It comes back behind another link.
    scene.guests[3].says([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    _ = uplink.take()
    #expect(scene.fabric.counters.moved == 0)
    scene.guests[0].says([frame])
    #expect(scene.guests[3].take() == [frame])
    #expect(uplink.take().isEmpty)
    scene.fabric.detach(uplink)
    scene.fabric.detach(scene.guests[3])
    scene.guests[0].says([frame])
    #expect(uplink.take().isEmpty && quiet(scene))
  }

  @Test("What the plugin sends to unknown stations reaches its uplinks")
  func uplinksAreSearched() {
    let scene = Scene()
    let uplink = SwitchTests.Guest(77)
    _ = scene.fabric.attach(uplink, as: .uplink)
    let frame = SwitchTests.frame(SwitchTests.gateway, SwitchTests.mac(50))
    #expect(scene.pluginSays([frame]) == 1)
    #expect(uplink.take() == [frame] && quiet(scene))
  }

  @Test("A frame that the plugin gives back takes no guest off the network, and blames none")
  func reflections() {
    let scene = Scene()
    var notices: [Switch.Notice] = []
    scene.guests[1].says([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.broadcast)])
    scene.fabric.onNotice = { notices.append($0) }
    let broadcast = SwitchTests.frame(SwitchTests.mac(1), SwitchTests.broadcast)
    #expect(scene.pluginSays([broadcast]) == 1)
    for guest in scene.guests { _ = guest.take() }
    let frame = SwitchTests.frame(SwitchTests.mac(0), SwitchTests.mac(1))
    scene.guests[0].says([frame])
    #expect(scene.guests[1].take() == [frame])
    scene.guests[1].says([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.mac(0))])
    #expect(scene.guests[0].take().count == 1)
    #expect(scene.fabric.counters.spoofed == 0)
    #expect(notices == [.station(scene.guests[0].handle, mac: SwitchTests.mac(0), moved: false)])
  }

  @Test("A station that was behind the plugin's tunnel comes home, and goes there again")
  func tunnels() {
    let scene = Scene()
    #expect(scene.pluginSays([SwitchTests.frame(SwitchTests.mac(7), SwitchTests.broadcast)]) == 1)
    for guest in scene.guests { _ = guest.take() }
    let frame = SwitchTests.frame(SwitchTests.mac(0), SwitchTests.mac(7))
    scene.guests[0].says([frame])
    #expect(scene.plugin.bytes == [frame] && quiet(scene))
    scene.guests[2].says([SwitchTests.frame(SwitchTests.mac(7), SwitchTests.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    scene.plugin.frames = []
    scene.guests[0].says([frame])
    #expect(scene.guests[2].take() == [frame] && scene.plugin.frames.isEmpty)
    scene.now += 3_000_000_000
    #expect(scene.pluginSays([SwitchTests.frame(SwitchTests.mac(7), SwitchTests.broadcast)]) == 1)
    for guest in scene.guests { _ = guest.take() }
    scene.guests[0].says([frame])
    #expect(scene.plugin.bytes == [frame] && quiet(scene))
    #expect(scene.fabric.counters.spoofed == 0 && scene.fabric.counters.moved == 2)
  }

  @Test("A plugin never takes the address that the configuration gives a guest")
  func pinned() {
    let scene = Scene(macs: [0, SwitchTests.mac(1), 0, 0])
    #expect(scene.fabric.bind(1, to: SwitchTests.mac(1), isOwn: true) == .guestHasIt)
    #expect(scene.pluginSays([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.broadcast)]) == 1)
    for guest in scene.guests { _ = guest.take() }
    let frame = SwitchTests.frame(SwitchTests.mac(0), SwitchTests.mac(1))
    scene.now += 3_000_000_000
    scene.guests[0].says([frame])
    #expect(scene.guests[1].take() == [frame])
  }

  @Test("A guest whose address is configured is told as a station when it first speaks")
  func stationsOfConfiguredGuests() {
    let scene = Scene(macs: [0, SwitchTests.mac(1), 0, 0])
    var notices: [Switch.Notice] = []
    scene.fabric.onNotice = { notices.append($0) }
    for _ in 0..<3 {
      scene.guests[1].says([SwitchTests.frame(SwitchTests.mac(1), SwitchTests.broadcast)])
    }
    #expect(notices == [.station(scene.guests[1].handle, mac: SwitchTests.mac(1), moved: false)])
  }

  @Test("What the plugin gives up is anybody's")
  func unboundOwn() {
    let scene = Scene()
    #expect(scene.fabric.bind(1, to: SwitchTests.gateway, isOwn: true) == .ok)
    #expect(scene.fabric.bind(2, to: SwitchTests.gateway, isOwn: true) == .ok)
    scene.guests[0].says([SwitchTests.frame(SwitchTests.gateway, SwitchTests.broadcast)])
    scene.fabric.unbind(1)
    scene.guests[0].says([SwitchTests.frame(SwitchTests.gateway, SwitchTests.broadcast)])
    #expect(scene.fabric.counters.spoofed == 2 && quiet(scene))
    scene.fabric.unbind(2)
    scene.guests[0].says([SwitchTests.frame(SwitchTests.gateway, SwitchTests.broadcast)])
    #expect(scene.guests[1].take().count == 1)
  }
}
