// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// RFC 9438, section by section.
@Suite(.timeLimit(.minutes(1)))
struct CUBICTests {
  private static let segment: UInt32 = 1000

  /// - Parameters:
  ///   - time: milliseconds.
  ///   - roundTrip: milliseconds.
  private func path(at time: UInt64, roundTrip: UInt32 = 100) -> CongestionPath {
    CongestionPath(
      segmentSize: Self.segment, buffer: 1 << 29, roundTrip: roundTrip * 1000,
      now: (1000 + time) * 1_000_000)
  }

  private func afterLoss(of flight: UInt32) -> CUBIC {
    var cubic = CUBIC()
    cubic.congested(flight: flight, path(at: 0))
    return cubic
  }

  /// Acknowledges a whole window in each round trip, until `end`; milliseconds.
  private func run(
    _ cubic: inout CUBIC, from start: UInt64 = 0, to end: UInt64, roundTrip: UInt32 = 100
  ) {
    var now = start
    while now < end {
      var left = cubic.window
      while left > 0 {
        let part = min(left, Self.segment)
        cubic.acknowledged(part, isAfterTimeout: false, path(at: now, roundTrip: roundTrip))
        left -= part
      }
      now += UInt64(roundTrip)
    }
  }

  @Test func `a loss leaves seven tenths of what is under way, two segments at least (§4.6)`() {
    var cubic = afterLoss(of: 1_000_000)
    #expect(
      cubic.window == 700_000 && cubic.threshold == 700_000 && cubic.curve.maximum == 1_000_000)
    cubic.congested(flight: 1000, path(at: 0))
    #expect(cubic.window == 2000)
  }

  @Test func `a second loss below the first lowers the plateau for others' sake (§4.7)`() {
    var cubic = afterLoss(of: 1_000_000)
    cubic.congested(flight: 700_000, path(at: 10))
    // cwnd * (1 + β) / 2
    #expect(cubic.curve.maximum == 595_000 && cubic.window == 490_000)
  }

  @Test func `the plateau is reached after the cube root of what was given up over C (§4.2)`() {
    var cubic = afterLoss(of: 1_000_000)
    cubic.acknowledged(1000, isAfterTimeout: false, path(at: 0))
    // 300 segments / 0.4 = 750 = 9.0856^3
    #expect(cubic.curve.plateau == 9085)
  }

  @Test func `the window is on the curve: concave to the plateau, convex behind it (§4.4, §4.5)`() {
    var cubic = afterLoss(of: 1_000_000)
    var last = cubic.window
    var steps: [UInt32] = []
    for second in 0..<18 as Range<UInt64> {
      run(&cubic, from: second * 1000, to: (second + 1) * 1000)
      steps.append(cubic.window - last)
      last = cubic.window
      let distance = Double(second + 1) - 9.0856
      let expected = (0.4 * distance * distance * distance + 1000) * 1000
      #expect(abs(Double(cubic.window) - expected) < 20_000, "after \(second + 1) s")
    }
    #expect(steps[0] > steps[4] && steps[4] > steps[8])
    #expect(steps[9] < steps[13] && steps[13] < steps[17])
  }

  @Test func `with short round trips it is as fast as NewReno (§4.3)`() {
    var cubic = afterLoss(of: 40_000)
    run(&cubic, to: 200, roundTrip: 1)
    // 200 round trips of 9/17 of a segment up to the window before the loss, of a segment after it.
    var expected = 28.0
    for _ in 0..<200 { expected += expected < 40 ? 9.0 / 17 : 1 }
    // Whole bytes for each ACK: rounded down.
    #expect(Double(cubic.window) / 1000 <= expected && Double(cubic.window) / 1000 > expected * 0.9)
  }

  @Test func `in a round trip the window grows by half at most (§4.2)`() {
    var cubic = afterLoss(of: 100_000)
    cubic.acknowledged(1, isAfterTimeout: false, path(at: 0))
    let before = cubic.window
    // Long after: the curve is far above.
    cubic.acknowledged(before, isAfterTimeout: false, path(at: 600_000))
    #expect(cubic.window <= before + before / 2 && cubic.window > before)
  }

  @Test func `a timeout leaves one segment; the curve then begins at the threshold (§4.8)`() {
    var cubic = afterLoss(of: 100_000)
    cubic.timedOut(path(at: 0))
    #expect(cubic.window == 1000 && cubic.threshold == 70_000)
    cubic.acknowledged(50_000, isAfterTimeout: true, path(at: 0))
    #expect(cubic.window == 2000)
    while cubic.window < cubic.threshold {
      cubic.acknowledged(2000, isAfterTimeout: false, path(at: 0))
    }
    #expect(cubic.window == 70_000)
    cubic.acknowledged(1000, isAfterTimeout: false, path(at: 0))
    #expect(cubic.curve.plateau == 0 && cubic.curve.maximum == 70_000)
  }

  @Test func `a loss that was none is undone (§4.9)`() {
    var cubic = afterLoss(of: 100_000)
    cubic.timedOut(path(at: 0))
    cubic.restore(100_000)
    #expect(cubic.window == 100_000 && cubic.curve.maximum >= 100_000)
  }

  @Test func `cube roots`() {
    for root in [0, 1, 2, 3, 1000, 9085, 1_000_000, 2_642_245] as [UInt64] {
      #expect(CUBIC.cubeRoot(root * root * root) == UInt32(root))
      if root > 1 { #expect(CUBIC.cubeRoot(root * root * root - 1) == UInt32(root - 1)) }
    }
    #expect(CUBIC.cubeRoot(.max) == 2_642_245)
  }

  @Test func `no number makes it overflow or stand at nothing`() {
    var random = RandomSource(seed: 2)
    var cubic = CUBIC()
    for _ in 0..<100_000 {
      let any = UInt32(truncatingIfNeeded: random.next())
      let path = CongestionPath(
        segmentSize: 88 + any % 65_000, buffer: UInt32(truncatingIfNeeded: random.next() >> 33),
        roundTrip: UInt32(truncatingIfNeeded: random.next()), now: random.next())
      switch any >> 29 {
      case 0: cubic.congested(flight: UInt32(truncatingIfNeeded: random.next()), path)
      case 1: cubic.timedOut(path)
      case 2: cubic.restore(cubic.window)
      case 3: cubic.restart(path)
      default:
        cubic.acknowledged(
          UInt32(truncatingIfNeeded: random.next()), isAfterTimeout: any & 1 == 0, path)
      }
      #expect(cubic.window >= 88 && cubic.window <= CUBIC.unlimited)
    }
  }
}
