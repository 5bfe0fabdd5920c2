// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// RFC 6298, section by section.
@Suite(.timeLimit(.minutes(1)))
struct RTTEstimatorTests {
  private static let millisecond: UInt64 = 1_000_000

  @Test func `before the first sample the timeout is a second (§2.1)`() {
    #expect(RTTEstimator().timeout(attempts: 0) == 1000 * Self.millisecond)
  }

  @Test func `the first sample is the smoothed time, and half of it the variance (§2.2)`() {
    var rtt = RTTEstimator()
    rtt.sample(microseconds: 400_000)
    #expect(rtt.smoothed == 400_000 && rtt.variance == 200_000)
    // SRTT + 4 * RTTVAR
    #expect(rtt.timeout(attempts: 0) == 1200 * Self.millisecond)
  }

  @Test func `later ones move it by an eighth, and the variance by a quarter (§2.3)`() {
    var rtt = RTTEstimator()
    rtt.sample(microseconds: 400_000)
    rtt.sample(microseconds: 800_000)
    #expect(rtt.smoothed == 450_000 && rtt.variance == 250_000)
  }

  @Test func `the timeout is 200 ms at least, and doubles up to two minutes (§2.4, §2.5, §5.5)`() {
    var rtt = RTTEstimator()
    rtt.sample(microseconds: 100)
    #expect(rtt.timeout(attempts: 0) == 200 * Self.millisecond)
    #expect(rtt.timeout(attempts: 3) == 1600 * Self.millisecond)
    #expect(rtt.timeout(attempts: 9) == 102_400 * Self.millisecond)
    #expect(rtt.timeout(attempts: 255) == 120_000 * Self.millisecond)
  }

  @Test func `no sample makes it zero, none makes it overflow`() {
    var rtt = RTTEstimator()
    rtt.sample(microseconds: 0)
    #expect(rtt.smoothed == 1)
    for _ in 0..<100 { rtt.sample(microseconds: .max) }
    #expect(rtt.smoothed <= 60_000_000 && rtt.timeout(attempts: 0) <= 120_000 * Self.millisecond)
    for _ in 0..<1000 { rtt.sample(microseconds: 0) }
    #expect(rtt.smoothed >= 1)
  }
}
