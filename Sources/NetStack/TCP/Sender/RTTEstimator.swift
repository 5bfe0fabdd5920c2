// SPDX-License-Identifier: Apache-2.0
//
// The round-trip time of a connection and the retransmission timeout that follows from it
// (RFC 6298). A value without a clock: what was measured is an argument.

/// See the head of this file. Microseconds.
struct RTTEstimator: BitwiseCopyable {
  /// SRTT; 0 before the first sample.
  private(set) var smoothed: UInt32 = 0
  /// RTTVAR.
  private(set) var variance: UInt32 = 0

  /// The longest round trip that is told apart, and the longest timeout before back-off.
  private static let longest: UInt64 = 60_000_000
  /// Before the first sample (RFC 6298 §2.1).
  private static let initialTimeout: UInt64 = 1_000_000
  /// The bounds are Linux's: RFC 6298 §2.4 says 1 s, for links far longer than this one.
  private static let leastTimeout: UInt64 = 200_000
  private static let mostTimeout: UInt64 = 120_000_000
  /// Doublings (RFC 6298 §5.5).
  private static let mostDoublings: UInt64 = 10

  /// Takes the round trip of a segment that was sent once (Karn, RFC 6298 §3): §2.2 and §2.3.
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

  /// The RTO in nanoseconds, doubled for each of `attempts` that was not answered.
  func timeout(attempts: UInt8) -> UInt64 {
    let base =
      smoothed == 0 ? Self.initialTimeout : UInt64(smoothed) &+ max(1000, UInt64(variance) &* 4)
    let bounded = max(Self.leastTimeout, min(base, Self.longest))
    let doublings = min(UInt64(attempts), Self.mostDoublings)
    return min(bounded << doublings, Self.mostTimeout) &* 1000
  }
}
