// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Testing

@testable import Host

/// What the supervisor reads of a loop.
@Suite(.timeLimit(.minutes(5))) struct HeartbeatTests {
  private final class Page {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: HeartbeatLayout.size, alignment: 64)

    init() { memory.initializeMemory(as: UInt8.self, repeating: 0, count: HeartbeatLayout.size) }
    deinit { memory.deallocate() }

    func word(_ offset: Int) -> UInt64 { memory.load(fromByteOffset: offset, as: UInt64.self) }

    func text(_ offset: Int) -> String {
      String(cString: (memory + offset).assumingMemoryBound(to: CChar.self))
    }
  }

  @Test func `a beat is even while the loop waits, odd while it works, and grows`() {
    let page = Page()
    let heartbeat = Heartbeat(page: page.memory)
    #expect(page.word(HeartbeatLayout.beat) == 0)
    var beats: [UInt64] = []
    for turn in 0..<3 as Range<UInt64> {
      heartbeat.waits(turn: turn)
      beats.append(page.word(HeartbeatLayout.beat))
      heartbeat.works(turn: turn)
      beats.append(page.word(HeartbeatLayout.beat))
    }
    #expect(beats == [2, 3, 4, 5, 6, 7])
    heartbeat.countRequest()
    heartbeat.countRequest()
    #expect(page.word(HeartbeatLayout.requests) == 2)
  }

  @Test func `the callback that runs is told, and after one in it the one before again`() {
    let page = Page()
    let heartbeat = Heartbeat(page: page.memory)
    let network = heartbeat.addPlugin("network plugin slirp", number: 0)
    let dns = heartbeat.addPlugin("dns plugin hostdns", number: 17)
    #expect(network == 1 && dns == 2)
    func shown() -> String {
      let slot = Int(page.word(HeartbeatLayout.plugin))
      guard slot > 0 else { return "" }
      let label = HeartbeatLayout.plugins + (slot - 1) * HeartbeatLayout.labelSize
      return "\(page.text(HeartbeatLayout.callback)) of \(page.text(label))"
    }
    let outer = heartbeat.enter(network, "rx")
    #expect(shown() == "rx of network plugin slirp")
    let inner = heartbeat.enter(dns, "a callback with a name that is far too long for its place")
    #expect(shown() == "a callback with a name that is  of dns plugin hostdns")
    heartbeat.leave(for: inner)
    #expect(shown() == "rx of network plugin slirp")
    heartbeat.leave(for: outer)
    #expect(shown() == "")
  }
}
