// SPDX-License-Identifier: Apache-2.0
//
// The loss of the last segments, which no duplicate ACK tells: before the retransmission timer fires the
// last one is sent once more, and the guest's answer reports what it lacks (RFC 8985 §7).

/// See the head of this file. When it is due; what is known of a probe is in the sender's flags.
enum TailLossProbe {
  /// The guest may delay its ACK by 40 ms (Linux), even of several segments while its application does
  /// not read (WCDelAckT): where nothing was ever lost that is waited for. Microseconds.
  private static let leastBeforeLoss: UInt64 = 50_000
  private static let leastAfterLoss: UInt64 = 10_000

  /// PTO, nanoseconds from the last segment on (§7.2): two round trips.
  /// - Parameters:
  ///   - roundTrip: SRTT in microseconds, not 0.
  ///   - wasLossy: something was lost lately.
  static func timeout(roundTrip: UInt32, wasLossy: Bool) -> UInt64 {
    max(wasLossy ? leastAfterLoss : leastBeforeLoss, UInt64(roundTrip) &* 2) &* 1000
  }

  /// Whether a probe would tell anything: the guest reports what it has, and more than one segment is
  /// under way. (The ACK of one alone may always be delayed.)
  static func isUseful(roundTrip: UInt32, flight: UInt32, segmentSize: UInt32) -> Bool {
    roundTrip != 0 && flight > segmentSize
  }
}
