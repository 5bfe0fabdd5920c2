// SPDX-License-Identifier: Apache-2.0

import Platform
import PluginAPI
import TestSupport
import Testing

@testable import Host

@Suite("Switch", .timeLimit(.minutes(5))) struct SwitchTests {
  /// A port that keeps what it is sent, and takes as much as it is told.
  final class Guest: Port {
    var sent: [[UInt8]] = []
    var batches: [Int] = []
    var room = Int.max

    init(_ id: UInt64, mac: UInt64 = 0, name: String = "") {
      super.init(
        PortOptions(id: id, name: name, mac: mac), fd: -1, ownsFD: false, offloads: 0,
        memory: PortMemory())
    }

    override func send(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
      let taken = min(count, room)
      if room != .max { room -= taken }
      keep(frames, taken)
      if taken < count { owesReady = true }
      return taken
    }

    override func forward(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Bool {
      keep(frames, count)
      return false
    }

    override func onWritable() { announceReady() }

    private func keep(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
      if count > 0 { batches.append(count) }
      counters.txFrames &+= UInt64(count)
      for i in 0..<count { sent.append(flatten(frames + i)) }
    }

    /// Frames from this guest.
    func says(_ frames: [[UInt8]]) {
      let owned = frames.map { OwnedFrame($0) }
      var raw = owned.map(\.frame)
      withExtendedLifetime(owned) {
        raw.withUnsafeMutableBufferPointer {
          if let base = $0.baseAddress { deliver(base, $0.count) }
        }
      }
    }

    func take() -> [[UInt8]] {
      defer {
        sent = []
        batches = []
      }
      return sent
    }
  }

  /// A switch with four ports, a plugin, and a clock.
  final class Scene {
    let plugin = Inbox()
    let guests: [Guest]
    let fabric: Switch
    var now: UInt64 = 1_000_000_000_000

    init(macs: [UInt64] = [0, 0, 0, 0]) {
      final class Clock { var now: () -> UInt64 = { 0 } }
      let clock = Clock()
      fabric = Switch(plugin: plugin.receiver, clock: { clock.now() })
      guests = macs.enumerated().map { Guest(UInt64($0), mac: $1) }
      clock.now = { [unowned self] in self.now }
      for guest in guests {
        _ = fabric.attach(guest, as: .guest)
        guest.delegate = plugin
      }
    }

    func pluginSays(_ frames: [OwnedFrame]) -> Int {
      let raw = frames.map(\.frame)
      return withExtendedLifetime(frames) {
        raw.withUnsafeBufferPointer { buffer in
          buffer.baseAddress.map {
            Int(fabric.send(Switch.handle, $0, UInt32(buffer.count)))
          } ?? 0
        }
      }
    }

    func pluginSays(_ frames: [[UInt8]]) -> Int { pluginSays(frames.map { OwnedFrame($0) }) }
  }

  static let gateway: UInt64 = 0x5a94_efe4_0cdd
  static let broadcast: UInt64 = 0xffff_ffff_ffff
  static func mac(_ i: Int) -> UInt64 { 0x5255_5500_0000 | UInt64(i) }
  static func frame(_ from: UInt64, _ to: UInt64, _ length: Int = 60) -> [UInt8] {
    TestPacket.plain(length, to: to, from: from)
  }

  @Test("Broadcast, multicast and unknown addresses reach all others and the plugin")
  func flooding() {
    let scene = Scene()
    for to in [Self.broadcast, 0x0100_5e00_0001, 0x3333_0000_0001, 0x0200_0000_0099] {
      let frame = Self.frame(Self.mac(0), to)
      scene.guests[0].says([frame])
      for guest in scene.guests.dropFirst() { #expect(guest.take() == [frame]) }
      #expect(scene.guests[0].take().isEmpty)
      #expect(scene.plugin.bytes == [frame])
      #expect(scene.plugin.frames.first?.handle == Switch.handle)
      scene.plugin.frames = []
    }
    #expect(scene.fabric.counters.flooded == 4)
  }

  @Test("Broadcasts of one turn reach each guest in one write")
  func gathered() throws {
    let memory = PortMemory()
    let fabric = Switch(plugin: FrameReceiver.discard)
    var links: [(port: StreamPort, guest: TestFD)] = []
    for id in 0..<8 {
      let (fd, guest) = try socketPair(.stream)
      let port = StreamPort(
        PortOptions(id: UInt64(id)), fd: fd, journal: nil, resumed: false, memory: memory)
      #expect(fabric.attach(port, as: .guest) != nil)
      links.append((port, guest))
    }
    let frames = (0..<8).map { Self.frame(Self.mac($0), Self.broadcast) }
    for (link, frame) in zip(links, frames) {
      let bytes = StreamPortTests.wire(frame)
      #expect(Sockets.send(link.guest.fd, bytes, bytes.count, 0) == bytes.count)
    }
    for link in links { link.port.onReadable() }
    for link in links { #expect(link.guest.read() == nil) }
    // One that leaves in the same turn has what was for it, and its place may be another's.
    fabric.detach(links[7].port)
    #expect(
      links[7].guest.read() == frames[..<7].flatMap { StreamPortTests.wire($0) })
    fabric.sendHeld()
    for i in 0..<7 {
      let others = frames.enumerated().filter { $0.offset != i }.map(\.element)
      #expect(links[i].guest.read() == others.flatMap { StreamPortTests.wire($0) })
    }
    #expect(fabric.stations.map(\.id).sorted() == Array(0..<7))
    fabric.sendHeld()
    for link in links { #expect(link.guest.read() == nil) }
    for link in links { fabric.detach(link.port) }
  }

  @Test("A known address is reached alone; it is learned from whoever speaks")
  func learning() {
    let scene = Scene()
    scene.guests[1].says([Self.frame(Self.mac(1), Self.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    scene.plugin.frames = []
    let frame = Self.frame(Self.mac(0), Self.mac(1))
    scene.guests[0].says([frame])
    #expect(scene.guests[1].take() == [frame])
    #expect(scene.guests[2].take().isEmpty)
    #expect(scene.plugin.frames.isEmpty)
    // The answer finds its way back, and the plugin is reached once it has spoken.
    let answer = Self.frame(Self.mac(1), Self.mac(0))
    scene.guests[1].says([answer])
    #expect(scene.guests[0].take() == [answer])
    #expect(scene.pluginSays([Self.frame(Self.gateway, Self.mac(2))]) == 1)
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
    scene.guests[3].says([Self.frame(Self.mac(3), Self.gateway)])
    #expect(scene.plugin.frames.count == 1)
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
  }

  @Test("A guest that moves to another port is found there, and one silent for long everywhere")
  func movesAndAging() {
    let scene = Scene()
    scene.guests[1].says([Self.frame(Self.mac(9), Self.broadcast)])
    scene.guests[2].says([Self.frame(Self.mac(9), Self.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    let frame = Self.frame(Self.mac(0), Self.mac(9))
    scene.guests[0].says([frame])
    #expect(scene.guests[1].take().isEmpty)
    #expect(scene.guests[2].take() == [frame])
    #expect(scene.fabric.counters.moved == 1)
    scene.now += 301_000_000_000
    scene.guests[0].says([frame])
    #expect(scene.guests[1].take() == [frame])
    #expect(scene.guests[3].take() == [frame])
  }

  @Test("No frame goes back where it came from")
  func hairpin() {
    let scene = Scene()
    scene.guests[0].says([Self.frame(Self.mac(7), Self.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    scene.guests[0].says([Self.frame(Self.mac(0), Self.mac(7))])
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
    #expect(scene.fabric.counters.hairpin == 1)
  }

  @Test("The gateway's address and a configured one cannot be taken")
  func spoofing() {
    let scene = Scene(macs: [0, Self.mac(1), 0, 0])
    #expect(scene.fabric.bind(0xc0a8_6802, to: Self.gateway, isOwn: true) == .ok)
    scene.guests[2].says([
      Self.frame(Self.gateway, Self.broadcast), Self.frame(Self.mac(1), Self.broadcast),
    ])
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
    #expect(scene.fabric.counters.spoofed == 2)
    let frame = Self.frame(Self.mac(3), Self.mac(1))
    scene.guests[3].says([frame])
    #expect(scene.guests[1].take() == [frame])
    #expect(scene.guests[2].take().isEmpty)
  }

  @Test("Link-local protocols and impossible sources stay where they are")
  func filtered() {
    let scene = Scene()
    scene.guests[0].says([
      Self.frame(Self.mac(0), 0x0180_c200_0000), Self.frame(Self.mac(0), 0x0180_c200_000e),
      Self.frame(0x0100_5e00_0001, Self.mac(1)), Self.frame(0, Self.mac(1)),
    ])
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
    #expect(scene.plugin.frames.isEmpty)
    scene.guests[0].says([Self.frame(Self.mac(0), 0x0180_c200_0010)])
    #expect(scene.plugin.frames.count == 1)
  }

  @Test("Consecutive frames with one target stay one batch, in order")
  func batches() {
    let scene = Scene()
    for i in 1...2 { scene.guests[i].says([Self.frame(Self.mac(i), Self.broadcast)]) }
    for guest in scene.guests { _ = guest.take() }
    scene.plugin.batches = []
    let targets = [1, 1, 1, 2, 2, 1, 9, 9, 2]
    scene.guests[0].says(
      targets.enumerated().map { Self.frame(Self.mac(0), Self.mac($1), 60 + $0) })
    #expect(scene.guests[1].batches == [3, 1, 2])
    #expect(scene.guests[2].batches == [2, 2, 1])
    #expect(scene.plugin.batches == [2])
    #expect(scene.guests[1].take().map(\.count) == [60, 61, 62, 65, 66, 67])
  }

  @Test("The plugin's frames in slices find their way, malformed ones are counted")
  func slices() {
    let scene = Scene()
    scene.guests[1].says([Self.frame(Self.mac(1), Self.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    let frame = Self.frame(Self.gateway, Self.mac(1))
    for cut in 1...14 {
      #expect(scene.pluginSays([OwnedFrame(frame).sliced(at: [cut, cut + 1])]) == 1)
    }
    #expect(scene.guests[1].take() == [[UInt8]](repeating: frame, count: 14))
    let broken = OwnedFrame(frame).sliced(at: [3])
    broken.frame.length = 61
    #expect(scene.pluginSays([OwnedFrame([1, 2, 3]), broken, OwnedFrame(frame)]) == 3)
    #expect(scene.fabric.counters.malformed == 2)
    #expect(scene.guests[1].take() == [frame])
  }

  @Test("The plugin waits for a full port, but not for one that does not move")
  func stall() {
    let scene = Scene()
    for i in 1...2 { scene.guests[i].says([Self.frame(Self.mac(i), Self.broadcast)]) }
    for guest in scene.guests { _ = guest.take() }
    let toOne = Self.frame(Self.gateway, Self.mac(1))
    let toTwo = Self.frame(Self.gateway, Self.mac(2))
    scene.guests[1].room = 1
    #expect(scene.pluginSays([toTwo, toOne, toOne, toTwo]) == 2)
    #expect(scene.plugin.retries == [1])
    scene.guests[1].onRetry()
    #expect(scene.plugin.readies == [Switch.handle])
    scene.now += Switch.stall - 1
    #expect(scene.pluginSays([toOne, toTwo]) == 0)
    scene.now += 1
    #expect(scene.pluginSays([toOne, toTwo]) == 2)
    #expect(scene.guests[2].take() == [toTwo, toTwo])
    #expect(scene.fabric.counters.stalled == 1)
    // It moves again: the plugin waits for it again.
    scene.guests[1].room = 1
    #expect(scene.pluginSays([toOne, toOne]) == 1)
    // It leaves: the plugin goes on at once.
    scene.plugin.readies = []
    scene.fabric.detach(scene.guests[1])
    #expect(scene.plugin.readies == [Switch.handle])
    #expect(scene.pluginSays([toOne, toTwo]) == 2)
  }

  @Test("A port that has left is forgotten, and its handle is stale")
  func detach() {
    let scene = Scene()
    scene.guests[1].says([Self.frame(Self.mac(1), Self.broadcast)])
    for guest in scene.guests { _ = guest.take() }
    let handle = scene.guests[1].handle
    scene.fabric.detach(scene.guests[1])
    scene.fabric.detach(scene.guests[1])
    #expect(scene.fabric.port(handle) == nil)
    #expect(scene.fabric.portCount == 3)
    scene.guests[1].says([Self.frame(Self.mac(1), Self.broadcast)])
    #expect(scene.plugin.frames.count == 1)
    scene.guests[0].says([Self.frame(Self.mac(0), Self.mac(1))])
    #expect(scene.guests.allSatisfy { $0.take().isEmpty })
    let again = Guest(9)
    #expect(scene.fabric.attach(again, as: .guest) != handle)
  }

  @Test("An uplink is a port among the others, and the plugin can send to it alone")
  func uplink() {
    let scene = Scene()
    let uplink = Guest(77)
    uplink.delegate = scene.plugin
    let handle = scene.fabric.attach(uplink, as: .uplink)
    scene.guests[0].says([Self.frame(Self.mac(0), Self.broadcast)])
    #expect(uplink.take().count == 1)
    uplink.says([Self.frame(Self.mac(5), Self.mac(0))])
    #expect(scene.guests[0].take().count == 1)
    uplink.room = 1
    let frame = OwnedFrame(Self.frame(Self.gateway, Self.mac(5)))
    let raw = [frame.frame, frame.frame]
    withExtendedLifetime(frame) {
      raw.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress, let handle else { return }
        #expect(scene.fabric.send(handle, base, 2) == 1)
      }
    }
    uplink.onWritable()
    #expect(scene.plugin.readies == [uplink.handle, Switch.handle])
  }

  @Test("An isolated network joins each guest with the plugin alone")
  func isolated() {
    let plugin = Inbox()
    let binding = IsolatedBinding(plugin: plugin.receiver, limit: 2)
    let guests = [Guest(0), Guest(1), Guest(2)]
    let handles = guests.map { binding.attach($0) }
    #expect(handles[2] == nil)
    guests[0].says([Self.frame(Self.mac(0), Self.broadcast)])
    guests[1].says([Self.frame(Self.mac(0), Self.mac(1))])
    #expect(plugin.frames.map(\.handle) == [guests[0].handle, guests[1].handle])
    #expect(guests.allSatisfy { $0.take().isEmpty })
    let frame = OwnedFrame(Self.frame(Self.gateway, Self.mac(0)))
    withExtendedLifetime(frame) {
      #expect(binding.send(guests[1].handle, &frame.frame, 1) == 1)
      #expect(guests[1].take().count == 1)
      binding.detach(guests[1])
      #expect(binding.send(guests[1].handle, &frame.frame, 1) == 1)
      #expect(binding.send(0, &frame.frame, 1) == 1)
      #expect(binding.send(.max, &frame.frame, 1) == 1)
    }
    #expect(binding.stale == 3)
    #expect(guests[1].take().isEmpty)
  }

  @Test("10,000 random frames never trap")
  func garbage() {
    let scene = Scene()
    var random = SeededGenerator(seed: 1)
    for _ in 0..<1000 {
      let frames = (0..<10).map { _ in
        var bytes = random.bytes(Int.random(in: 14...80, using: &random))
        if Bool.random(using: &random) { bytes.replaceSubrange(0..<5, with: [0x52, 0, 0, 0, 0]) }
        return bytes
      }
      scene.guests[Int.random(in: 0..<4, using: &random)].says(frames)
      _ = scene.pluginSays(frames)
      for guest in scene.guests { _ = guest.take() }
    }
    #expect(scene.fabric.addressCount <= 4096)
  }
}
