// SPDX-License-Identifier: Apache-2.0
//
// Uplinks whose other side is the plugin (LND_UPLINK_PLUGIN), and frames for plugins that want plain ones.

import PluginAPI
import Testing

@testable import Host

@Suite(.timeLimit(.minutes(1))) struct PluginPortTests {
  private typealias Scene = SwitchTests.Scene

  private static func frame(_ from: UInt64, _ to: UInt64) -> [UInt8] {
    SwitchTests.frame(from, to)
  }

  /// A switch with a port of the plugin's own.
  private func scene(offloads: UInt32 = 0) throws -> (Scene, PluginPort, lnd_port) {
    let scene = Scene()
    let port = PluginPort(
      PortOptions(id: 9), offloads: offloads, plugin: scene.plugin.receiver, memory: PortMemory())
    return (scene, port, try #require(scene.fabric.attach(port, as: .uplink)))
  }

  private func send(_ scene: Scene, _ port: lnd_port, _ frames: [OwnedFrame]) {
    let raw = frames.map(\.frame)
    withExtendedLifetime(frames) {
      raw.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        #expect(scene.fabric.send(port, base, UInt32(buffer.count)) == UInt32(buffer.count))
      }
    }
  }

  @Test func `a station behind the plugin's uplink is learned there and moves like any other`()
    throws
  {
    let (scene, _, handle) = try scene()
    let far: UInt64 = 0x0200_0000_0077
    let hello = Self.frame(far, SwitchTests.broadcast)
    send(scene, handle, [OwnedFrame(hello)])
    for guest in scene.guests { #expect(guest.take() == [hello]) }
    // It never comes back to the plugin by its other port.
    #expect(scene.plugin.frames.isEmpty)
    // What is for that station goes to the uplink alone.
    let answer = Self.frame(SwitchTests.mac(0), far)
    scene.guests[0].says([answer])
    #expect(scene.plugin.bytes == [answer])
    #expect(scene.plugin.frames.first?.handle == handle)
    for guest in scene.guests { #expect(guest.take().isEmpty) }
    scene.plugin.frames = []
    // It comes home, behind a guest.
    scene.now += 3_000_000_000
    scene.guests[1].says([Self.frame(far, SwitchTests.broadcast)])
    scene.plugin.frames = []
    for guest in scene.guests { _ = guest.take() }
    scene.guests[0].says([answer])
    #expect(scene.guests[1].take() == [answer])
    #expect(scene.plugin.frames.isEmpty)
  }

  @Test func `a flood reaches the plugin by both of its ports, and names where it came from`()
    throws
  {
    let (scene, _, handle) = try scene()
    var sources: [lnd_port] = []
    scene.plugin.onFrames = { _, frames, count in
      for i in 0..<count { sources.append(frames[i].source) }
    }
    scene.guests[2].says([Self.frame(SwitchTests.mac(2), SwitchTests.broadcast)])
    #expect(Set(scene.plugin.frames.map(\.handle)) == [Switch.handle, handle])
    #expect(sources == [scene.guests[2].handle, scene.guests[2].handle])
  }

  @Test func `an uplink that takes no offloads gets plain frames, complete and in one piece`()
    throws
  {
    let (scene, port, handle) = try scene()
    let payload = (0..<4000).map { UInt8(truncatingIfNeeded: $0) }
    let large = TestPacket.offloaded(.v4, payload: payload, gsoSize: 1000)
    port.forward([large])
    #expect(scene.plugin.frames.count == 4)
    for frame in scene.plugin.frames {
      #expect(frame.gsoType == 0 && frame.flags & LND_FRAME_NEEDS_CSUM == 0)
      #expect(frame.handle == handle)
      #expect(TestPacket.reference(Array(frame.bytes[14..<34])) == 0xffff)
    }
    #expect(scene.plugin.bytes.flatMap { $0.suffix(1000) } == payload)
  }

  @Test
  func `slices of the plugin's arrive at the guests, and a malformed frame is left out and told`()
    throws
  {
    let (scene, _, handle) = try scene()
    var faults: [FrameFault?] = []
    scene.fabric.onMalformed = { faults.append($0.fault) }
    let far: UInt64 = 0x0200_0000_0077
    let frames = (0..<3).map { _ in OwnedFrame(Self.frame(far, SwitchTests.broadcast)) }
    _ = frames[0].sliced(at: [6, 20])
    frames[1].frame.reserved = 1
    send(scene, handle, frames)
    #expect(
      scene.guests[0].take() == [
        Self.frame(far, SwitchTests.broadcast), Self.frame(far, SwitchTests.broadcast),
      ])
    #expect(faults == [.reserved] && scene.fabric.counters.malformed == 1)
  }

  @Test func `each rule of a frame has its fault, and NEEDS_CSUM is implied by gso_type`() {
    func fault(_ change: (inout lnd_frame) -> Void) -> FrameFault? {
      let owned = TestPacket.offloaded(
        .v4, payload: [UInt8](repeating: 1, count: 3000), gsoSize: 1000)
      change(&owned.frame)
      return withExtendedLifetime(owned) { withUnsafePointer(to: owned.frame) { $0.fault } }
    }
    #expect(fault { _ in } == nil)
    #expect(fault { $0.flags = 0 } == nil)
    #expect(fault { $0.hdr_len = 0 } == nil)
    #expect(fault { $0.length = 13 } == .length)
    #expect(fault { $0.slices = 2 } == .slices)
    #expect(fault { $0.csum_start = 10 } == .checksum)
    #expect(fault { $0.gso_size = 31 } == .segments)
    #expect(fault { $0.gso_type = 3 } == .segments)
    #expect(fault { $0.flags |= 0x8000_0000 } == .reserved)
    #expect(fault { $0.flags |= 0x4000 } == nil)
    #expect(fault { $0.reserved1 = 1 } == .reserved)
    let owned = TestPacket.offloaded(
      .v4, payload: [UInt8](repeating: 1, count: 3000), gsoSize: 1000)
    owned.frame.flags = 0
    #expect(withUnsafePointer(to: owned.frame) { $0.shape } == .segments)
  }
}
