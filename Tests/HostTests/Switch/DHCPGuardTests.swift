// SPDX-License-Identifier: Apache-2.0

import PluginAPI
import TestSupport
import Testing
import Wire

@testable import Host

@Suite("Address guard of DHCP", .timeLimit(.minutes(5))) struct DHCPGuardTests: GuardFrames {
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
}
