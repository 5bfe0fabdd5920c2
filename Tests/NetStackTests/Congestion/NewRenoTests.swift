// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// RFC 5681 §3.1 and RFC 3465, section by section.
@Suite(.timeLimit(.minutes(1)))
struct NewRenoTests {
  private let path = CongestionPath(segmentSize: 1000, buffer: 2 << 20)

  private func afterLoss(of flight: UInt32) -> NewReno {
    var reno = NewReno()
    reno.congested(flight: flight, path)
    return reno
  }

  @Test func `nothing limits a connection that never lost anything, whatever is acknowledged`() {
    var reno = NewReno()
    #expect(!reno.isLimiting)
    reno.acknowledged(1_000_000, isAfterTimeout: false, path)
    #expect(!reno.isLimiting && reno.room(pipe: 2 << 20) > 2 << 20)
  }

  @Test func `a loss leaves half of what is under way, two segments at least (5681 §3.1, eq. 4)`() {
    var reno = afterLoss(of: 100_000)
    #expect(reno.window == 50_000 && reno.threshold == 50_000)
    // Half of the bytes in flight, if those are less than the window.
    reno.congested(flight: 80_000, path)
    #expect(reno.window == 25_000)
    reno.congested(flight: 1000, path)
    #expect(reno.window == 2000 && reno.threshold == 2000)
  }

  @Test func `a timeout leaves one segment, and the threshold where the loss put it (5681 §3.1)`() {
    var reno = afterLoss(of: 100_000)
    reno.timedOut(path)
    #expect(reno.window == 1000 && reno.threshold == 50_000)
  }

  @Test func `one ACK opens the window by two segments in slow start (3465 §2.2)`() {
    var reno = afterLoss(of: 100_000)
    reno.timedOut(path)
    reno.acknowledged(30_000, isAfterTimeout: false, path)
    #expect(reno.window == 3000)
    reno.acknowledged(500, isAfterTimeout: false, path)
    #expect(reno.window == 3500)
  }

  @Test func `after a timeout by one, however much it is about (3465 §2.3)`() {
    var reno = afterLoss(of: 2_000_000)
    reno.timedOut(path)
    reno.acknowledged(1_048_000, isAfterTimeout: true, path)
    #expect(reno.window == 2000)
  }

  @Test func `slow start ends at the threshold, not beyond it (5681 §3.1)`() {
    var reno = afterLoss(of: 10_500)
    reno.timedOut(path)
    for _ in 0..<2 { reno.acknowledged(2000, isAfterTimeout: false, path) }
    #expect(reno.window == 5000)
    reno.acknowledged(2000, isAfterTimeout: false, path)
    #expect(reno.window == 5250 && reno.threshold == 5250)
  }

  @Test func `congestion avoidance is a segment for each window acknowledged (5681 §3.1, eq. 3)`() {
    var reno = afterLoss(of: 40_000)
    for _ in 0..<20 { reno.acknowledged(1000, isAfterTimeout: false, path) }
    #expect((20_900...21_000).contains(reno.window))
    // One ACK adds at most a segment.
    let before = reno.window
    reno.acknowledged(1_000_000, isAfterTimeout: false, path)
    #expect(reno.window == before + 1000)
  }

  @Test func `it always grows by a byte (5681 §3.1)`() {
    var reno = afterLoss(of: 2_000_000)
    let before = reno.window
    reno.acknowledged(1, isAfterTimeout: false, path)
    #expect(reno.window == before + 1)
  }

  @Test func `a window beyond the buffer limits nothing any more`() {
    var reno = afterLoss(of: 4 << 20)
    #expect(reno.isLimiting)
    while reno.isLimiting, reno.window < 4 << 20 {
      reno.acknowledged(100_000, isAfterTimeout: false, path)
    }
    #expect(!reno.isLimiting)
  }

  @Test func `a loss that was none is undone (5682 §3.1), and keeps what the window has grown`() {
    var reno = afterLoss(of: 100_000)
    reno.timedOut(path)
    reno.allow(22_000)
    #expect(reno.window == 22_000)
    reno.restore(80_000)
    #expect(reno.window == 80_000 && reno.threshold == 80_000)
    reno.restore(10_000)
    #expect(reno.window == 80_000)
    reno.restore(NewReno.unlimited)
    #expect(!reno.isLimiting)
  }

  @Test func `another MTU begins with a few segments and no threshold (1191 §6.4)`() {
    var reno = afterLoss(of: 100_000)
    reno.restart(CongestionPath(segmentSize: 500, buffer: 2 << 20))
    #expect(reno.window == 2000 && reno.threshold == NewReno.unlimited)
  }

  @Test func `no number makes it overflow or stand at nothing`() {
    var random = RandomSource(seed: 1)
    var reno = NewReno()
    for _ in 0..<100_000 {
      let any = UInt32(truncatingIfNeeded: random.next())
      let path = CongestionPath(
        segmentSize: 88 + any % 65_000, buffer: UInt32(truncatingIfNeeded: random.next() >> 33))
      switch any >> 29 {
      case 0: reno.congested(flight: UInt32(truncatingIfNeeded: random.next()), path)
      case 1: reno.timedOut(path)
      case 2: reno.restore(reno.window)
      case 3: reno.restart(path)
      default:
        reno.acknowledged(
          UInt32(truncatingIfNeeded: random.next()), isAfterTimeout: any & 1 == 0, path)
      }
      #expect(reno.window >= 88 && reno.window <= NewReno.unlimited)
    }
  }
}
