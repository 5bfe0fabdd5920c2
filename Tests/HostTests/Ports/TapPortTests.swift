// SPDX-License-Identifier: Apache-2.0
//
// With real TAP devices, in a network namespace of the test's own thread: nothing
// outside sees them. Skipped where the machine does not allow that.

import Platform
import PluginAPI
import TestSupport
import Testing

@testable import Host

#if os(Linux)
  import LibC

  @Suite("TAP port", .enabled(if: TapScene.isPossible), .timeLimit(.minutes(5))) struct TapPortTests
  {
    let memory = PortMemory()
    let inbox = Inbox()

    @Test("What a guest sends comes as frames; what it is sent arrives", arguments: [false, true])
    func frames(vnet: Bool) throws {
      let scene = try TapScene(vnetHeader: vnet)
      let port = TapPort(PortOptions(id: 1), fd: scene.tap, vnetHeader: vnet, memory: memory)
      inbox.attach(port)
      let frames = (0..<70).map { TestPacket.plain(60 + $0) }
      for frame in frames { scene.send(frame) }
      port.onReadable()
      #expect(inbox.frames.count == 64)
      port.onReadable()
      // The kernel may send something of its own; ours are all there.
      #expect(inbox.bytes.filter { $0[12] == 0x88 } == frames)
      #expect(inbox.batches.first == 64)

      let owned = frames.enumerated().map { i, bytes in
        i % 2 == 0 ? OwnedFrame(bytes) : OwnedFrame(bytes).sliced(at: [14, 20, 20, 54])
      }
      #expect(port.send(owned) == 70)
      #expect(scene.receiveAll() == frames)
      #expect(port.counters.txFrames == 70)
      #expect(port.counters.drops == 0)
    }

    @Test("Frames that come one at a time are read once each; a burst after them is read at once")
    func loneFrames() throws {
      let scene = try TapScene(vnetHeader: true)
      let port = TapPort(PortOptions(id: 1), fd: scene.tap, vnetHeader: true, memory: memory)
      inbox.attach(port)
      func burst(_ count: Int) {
        for i in 0..<count { scene.send(TestPacket.plain(60 + i)) }
      }
      port.onReadable()
      let before = inbox.batches.count
      for _ in 0..<8 {
        burst(1)
        port.onReadable()
      }
      burst(40)
      for _ in 0..<3 { port.onReadable() }
      burst(5)
      port.onReadable()
      // After one frame alone 1, 2, then 4 turns read once; two of those are left.
      #expect(
        inbox.batches.dropFirst(before) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 38, 5])
    }

    @Test("A super-frame arrives whole with a vnet header, in segments without")
    func superFrames() throws {
      var random = SeededGenerator(seed: 3)
      let payload = random.bytes(40_000)
      for vnet in [true, false] {
        for udp in [true, false] {
          let scene = try TapScene(vnetHeader: vnet)
          let port = TapPort(PortOptions(id: 1), fd: scene.tap, vnetHeader: vnet, memory: memory)
          let frame = TestPacket.offloaded(.v4, udp: udp, payload: payload, gsoSize: 1400)
          #expect(port.send([frame.sliced(at: [50, 9000])]) == 1)
          let received = scene.receiveAll()
          if vnet {
            #expect(received.count == 1)
            #expect(received.first?.suffix(40_000) == payload[...])
          } else {
            let packets = received.map { ParsedPacket($0) }
            #expect(packets.count == 29)
            #expect(packets.allSatisfy { $0.fault == nil })
            #expect(packets.flatMap(\.payload) == payload)
          }
          #expect(port.counters.drops == 0)
        }
      }
    }

    @Test("A guest's super-frame is read with its fields, and another TAP takes it as it is")
    func offloadsBothWays() throws {
      var random = SeededGenerator(seed: 5)
      let payload = random.bytes(30_000)
      let scene = try TapScene(vnetHeader: true)
      let port = TapPort(PortOptions(id: 1), fd: scene.tap, vnetHeader: true, memory: memory)
      inbox.attach(port)
      let frame = TestPacket.offloaded(.v4, payload: payload, gsoSize: 1400)
      let other = try TapScene(vnetHeader: true)
      let target = TapPort(PortOptions(id: 2), fd: other.tap, vnetHeader: true, memory: memory)
      inbox.onFrames = { _, frames, count in target.forward(frames, count) }
      scene.sendOffloaded(frame)
      port.onReadable()
      let got = try #require(inbox.frames.first { $0.gsoType != 0 })
      #expect(got.gsoType == UInt16(LND_GSO_TCPV4))
      #expect(got.gsoSize == 1400)
      #expect(got.bytes.suffix(30_000) == payload[...])
      #expect(other.receiveAll().contains { $0.suffix(30_000) == payload[...] })
    }

    @Test("10,000 random frames are sent or dropped, and the port lives", arguments: [false, true])
    func garbage(vnet: Bool) throws {
      let scene = try TapScene(vnetHeader: vnet)
      let port = TapPort(PortOptions(id: 1), fd: scene.tap, vnetHeader: vnet, memory: memory)
      inbox.attach(port)
      var random = SeededGenerator(seed: 7)
      for _ in 0..<1000 {
        let batch = (0..<10).map { _ -> OwnedFrame in
          let owned = TestPacket.offloaded(
            Bool.random(using: &random) ? .v4 : .v6, udp: Bool.random(using: &random),
            payload: random.bytes(Int.random(in: 0...200, using: &random)), gsoSize: 50)
          func word() -> UInt16 { UInt16.random(in: 0...300, using: &random) }
          switch word() % 6 {
          case 0: owned.frame.gso_size = word()
          case 1: owned.frame.csum_start = word()
          case 2: owned.frame.gso_type = word() % 8
          case 3: owned.frame.hdr_len = word()
          case 4: _ = owned.sliced(at: (0..<Int(word() % 70)).map { _ in Int(word()) })
          default: owned.frame.length = min(owned.frame.length, UInt32(word()))
          }
          return owned
        }
        #expect(port.send(batch) == 10)
      }
      #expect(port.end == nil)
      #expect(port.send([TestPacket.plain(99)]) == 1)
    }

    @Test("A deleted device ends its port")
    func deleted() throws {
      let scene = try TapScene(vnetHeader: true)
      let port = TapPort(PortOptions(id: 9), fd: scene.tap, vnetHeader: true, memory: memory)
      inbox.attach(port)
      scene.delete()
      port.onReadable()
      #expect(port.end == .closed)
      #expect(inbox.ended == [9])
    }

    @Test("Frames for a link that is down are dropped and counted")
    func down() throws {
      let scene = try TapScene(vnetHeader: true)
      let port = TapPort(PortOptions(id: 9), fd: scene.tap, vnetHeader: true, memory: memory)
      inbox.attach(port)
      scene.send(
        [UInt8](repeating: 0xFF, count: 6) + [2, 0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 48))
      port.onReadable()
      scene.setUp(false)
      #expect(port.send([TestPacket.plain(60)]) == 1)
      #expect(port.counters.txRefused == 1 && port.counters.txEarly == 0)
      #expect(port.counters.txFrames == 0)
      #expect(port.end == nil)
    }

    @Test("Before a guest's first frame its interface may be down: that is no drop")
    func early() throws {
      let scene = try TapScene(vnetHeader: true)
      let port = TapPort(PortOptions(id: 9), fd: scene.tap, vnetHeader: true, memory: memory)
      scene.setUp(false)
      #expect(port.send([TestPacket.plain(60)]) == 1)
      #expect(port.counters.txRefused == 0 && port.counters.txEarly == 1)
      #expect(port.counters.txFrames == 0 && port.counters.drops == 0)
    }
  }
#endif
