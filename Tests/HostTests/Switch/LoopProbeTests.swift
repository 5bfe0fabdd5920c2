// SPDX-License-Identifier: Apache-2.0
//
// Probes for rings of networks: they leave by the uplink to another daemon, and close the port they come back by.

import PluginAPI
import TestSupport
import Testing

@testable import Host

extension SwitchTests {
  @Suite("Probes for rings", .timeLimit(.minutes(1))) struct LoopProbeTests {
    private static let group: [UInt8] = [0xcf, 0, 0, 0, 0, 0]

    private func scene() -> (Scene, uplink: Guest) {
      let scene = Scene()
      let uplink = Guest(9)
      #expect(scene.fabric.attach(uplink, as: .uplink) != nil)
      uplink.delegate = scene.plugin
      return (scene, uplink)
    }

    @Test("One leaves by the uplink alone: when it comes, when a guest comes, and when it is time")
    func sending() throws {
      let (scene, uplink) = scene()
      scene.fabric.sendProbe()
      #expect(uplink.take().isEmpty)
      scene.fabric.probe(uplink)
      let first = try #require(uplink.take().first)
      #expect(first.count == 60 && first.prefix(6).elementsEqual(Self.group))
      #expect(first[12..<14].elementsEqual([0x90, 0]))
      #expect(first[6] & 1 == 0, "a station's address")
      let late = Guest(10)
      #expect(scene.fabric.attach(late, as: .guest) != nil)
      #expect(uplink.take() == [first])
      scene.fabric.sendProbe()
      #expect(uplink.take() == [first])
      #expect(scene.guests.allSatisfy { $0.take().isEmpty } && late.take().isEmpty)
      scene.fabric.detach(uplink)
      scene.fabric.sendProbe()
      #expect(!scene.fabric.isProbing && scene.fabric.counters.stale == 0)
    }

    @Test("The guest's port that one comes back by ends, and nobody sees the frame")
    func comingBack() throws {
      let (scene, uplink) = scene()
      scene.fabric.probe(uplink)
      let probe = try #require(uplink.take().first)
      scene.guests[1].says([Self.stranger, probe, Self.stranger])
      #expect(scene.guests[1].end == .ring)
      #expect(scene.guests[0].end == nil && uplink.end == nil)
      #expect(scene.fabric.counters.rings == 1)
      #expect(uplink.take() == [Self.stranger, Self.stranger])
      // The other end sends what it gets back where it came from: that is no way round.
      uplink.says([probe])
      #expect(uplink.end == nil)
      #expect(scene.guests[0].take() == [Self.stranger, Self.stranger])
    }

    /// To the same group, from another switch.
    private static let stranger = group + [2, 0, 0, 0, 0, 7, 0x90, 0] + [UInt8](1...46)

    @Test("Those of others pass as any group's frames do")
    func others() throws {
      let (scene, uplink) = scene()
      scene.fabric.probe(uplink)
      var almost = try #require(uplink.take().first)
      almost[25] ^= 1
      let short = Array(almost.prefix(24))
      for frame in [Self.stranger, almost, short] {
        scene.guests[0].says([frame])
        #expect(scene.guests[1].take() == [frame])
        #expect(uplink.take() == [frame])
      }
      #expect(scene.guests[0].end == nil && scene.fabric.counters.rings == 0)
    }

    @Test("Two switches that are each other's uplink cut one link, and a broadcast ends")
    func ring() throws {
      let (one, oneUp) = scene()
      let (two, twoUp) = scene()
      // Guest 3 of each is the other's uplink.
      let links = [
        (oneUp, two.guests[3]), (two.guests[3], oneUp), (twoUp, one.guests[3]),
        (one.guests[3], twoUp),
      ]
      func carry(_ rounds: Int) -> Int {
        var carried = 0
        for _ in 0..<rounds {
          for (from, to) in links {
            let frames = from.take()
            guard !frames.isEmpty, from.end == nil, to.end == nil else { continue }
            carried += 1
            to.says(frames)
          }
        }
        return carried
      }
      one.guests[0].says([SwitchTests.frame(SwitchTests.mac(0), SwitchTests.broadcast)])
      #expect(carry(50) > 50, "it goes round")
      one.fabric.probe(oneUp)
      _ = carry(4)
      #expect(one.guests[3].end == .ring)
      one.fabric.detach(one.guests[3])
      _ = carry(4)
      #expect(carry(10) == 0, "it is over")
    }
  }
}
