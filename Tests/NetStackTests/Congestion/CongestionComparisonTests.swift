// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// Compares both algorithms on the same queues, as the basis of the default (CongestionControl.swift).
@Suite(.timeLimit(.minutes(2)))
struct CongestionComparisonTests {
  /// A link of 1 Gbit/s with a queue of 100 segments, as of a TAP or a bridge.
  private func compare(roundTrip: UInt64) -> (reno: Bottleneck.Result, cubic: Bottleneck.Result) {
    let way = Bottleneck(service: 12_000, roundTrip: roundTrip, queue: 100)
    return (way.run(NewReno.self, for: 20_000_000_000), way.run(CUBIC.self, for: 20_000_000_000))
  }

  @Test(arguments: [100_000, 1_000_000] as [UInt64])
  func `with a guest's round trips both fill the link, and NewReno waits less in the queue`(
    roundTrip: UInt64
  ) {
    let (reno, cubic) = compare(roundTrip: roundTrip)
    #expect(reno.carried > 980 && cubic.carried > 980)
    #expect(reno.waiting < cubic.waiting)
  }

  @Test(arguments: [5_000_000, 20_000_000, 80_000_000] as [UInt64])
  func `with long ones CUBIC carries more`(roundTrip: UInt64) {
    let (reno, cubic) = compare(roundTrip: roundTrip)
    #expect(cubic.carried > reno.carried)
  }
}
