// SPDX-License-Identifier: Apache-2.0
//
// Frames by which guests claim addresses, and switches that have bound some.

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

protocol GuardFrames {}

extension GuardFrames {
  typealias Scene = SwitchTests.Scene

  static var gatewayIP: UInt32 { 0xc0a8_6802 }
  static var victimIP: UInt32 { 0xc0a8_6803 }
  static var gateway6: IPAddress { IPAddress(high: 0xfd00_0000_0000_0001, low: 2) }
  static var victim6: IPAddress { IPAddress(high: 0xfd00_0000_0000_0001, low: 3) }
  static var free6: IPAddress { IPAddress(high: 0xfd00_0000_0000_0001, low: 9) }

  /// A frame from guest `i`: ARP with a sender of choice.
  func arp(_ i: Int, sender: UInt64, ip: UInt32, to: UInt64 = SwitchTests.broadcast)
    -> [UInt8]
  {
    func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
    }
    return bytes(to, 6) + bytes(SwitchTests.mac(i), 6) + [8, 6, 0, 1, 8, 0, 6, 4, 0, 2]
      + bytes(sender, 6) + bytes(UInt64(ip), 4) + bytes(to, 6) + bytes(0xc0a8_6804, 4)
  }

  func guarded() -> Scene {
    let scene = Scene()
    #expect(scene.fabric.bind(Self.gatewayIP, to: SwitchTests.gateway, isOwn: true) == .ok)
    #expect(scene.fabric.bind(Self.victimIP, to: SwitchTests.mac(1), isOwn: false) == .ok)
    scene.guests[1].says([arp(1, sender: SwitchTests.mac(1), ip: Self.victimIP)])
    for guest in scene.guests { _ = guest.take() }
    scene.plugin.frames = []
    return scene
  }

  /// An IPv4 packet of guest `i` from an address of choice.
  func ipv4(_ i: Int, from address: UInt32, to: UInt64 = SwitchTests.mac(2)) -> [UInt8] {
    var frame = SwitchTests.frame(SwitchTests.mac(i), to)
    frame.replaceSubrange(12..<15, with: [8, 0, 0x45])
    for k in 0..<4 { frame[26 + k] = UInt8(truncatingIfNeeded: address >> UInt32(24 - 8 * k)) }
    return frame
  }

  /// A neighbor advertisement or solicitation of guest `i`, behind extension headers of the given types.
  func neighbor(
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

  func guarded6() -> Scene {
    let scene = guarded()
    #expect(scene.fabric.bind(Self.gateway6, to: SwitchTests.gateway, isOwn: true) == .ok)
    #expect(scene.fabric.bind(Self.victim6, to: SwitchTests.mac(1), isOwn: false) == .ok)
    return scene
  }

  /// An IPv6 packet: headers of the given types, each 8 bytes, then a payload.
  func ipv6(_ headers: [UInt8], _ last: UInt8, _ payload: [UInt8]) -> [UInt8] {
    var frame = Array(SwitchTests.frame(SwitchTests.mac(0), SwitchTests.broadcast)[..<12])
    let types = headers + [last]
    frame += [0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, types[0], 255] + [UInt8](repeating: 1, count: 32)
    for next in types.dropFirst() { frame += [next, 0, 0, 0, 0, 0, 0, 0] }
    return frame + payload
  }

  /// UDP from `from` to `to`, in an IPv4 packet with `options` bytes of options.
  func udp(from: UInt16, to: UInt16, options: Int = 0, fragment: UInt16 = 0) -> [UInt8] {
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
}
