// SPDX-License-Identifier: Apache-2.0
//
// Round-trip time estimation and the retransmission timeout (RFC 6298). A value without a clock.

/// RTT estimator. Microseconds.
struct RTTEstimator: BitwiseCopyable {
  /// SRTT; 0 before the first sample.
  private(set) var smoothed: UInt32 = 0
  /// RTTVAR.
  private(set) var variance: UInt32 = 0

  /// Maximum round trip, and maximum timeout before back-off.
  private static let longest: UInt64 = 60_000_000
  /// The timeout before the first sample (RFC 6298 §2.1).
  private static let initialTimeout: UInt64 = 1_000_000
  /// Minimum timeout, that of Linux: the 1 s of RFC 6298 §2.4 is for much longer paths.
  private static let leastTimeout: UInt64 = 200_000
  private static let mostTimeout: UInt64 = 120_000_000
  /// Maximum number of doublings (RFC 6298 §5.5).
  private static let mostDoublings: UInt64 = 10

  /// Takes the round trip of a segment that was sent once (Karn's algorithm, RFC 6298 §3): §2.2 and §2.3.
  mutating func sample(microseconds: UInt32) {
    let sample = UInt32(truncatingIfNeeded: min(UInt64(microseconds), Self.longest))
    guard smoothed != 0 else {
      smoothed = max(1, sample)
      variance = sample / 2
      return
    }
    let difference = smoothed > sample ? smoothed &- sample : sample &- smoothed
    variance = variance / 4 &* 3 &+ difference / 4
    smoothed = max(1, smoothed / 8 &* 7 &+ sample / 8)
  }

  /// The RTO in nanoseconds, doubled for each unanswered attempt.
  func timeout(attempts: UInt8) -> UInt64 {
    let base =
      smoothed == 0 ? Self.initialTimeout : UInt64(smoothed) &+ max(1000, UInt64(variance) &* 4)
    let bounded = max(Self.leastTimeout, min(base, Self.longest))
    let doublings = min(UInt64(attempts), Self.mostDoublings)
    return min(bounded << doublings, Self.mostTimeout) &* 1000
  }
}
