// SPDX-License-Identifier: Apache-2.0
//
// TLP (RFC 8985 §7): detects the loss of the last segments, which no later segment reveals. Before the retransmission timer
// fires a probe is sent: a new segment, or the last one again. Its ACK reports what is missing. If the last segment was
// retransmitted and it alone had been lost, the probe has repaired the loss, and congestion control is informed of it
// (§7.4).

import Wire

/// The last probe. Whether one is outstanding is in the sender's flags.
struct TailLossProbe: BitwiseCopyable {
  /// TLP.end_seq: SND.NXT when the probe was sent.
  private(set) var end: UInt32 = 0
  /// TLP.is_retrans: the probe retransmitted the last segment.
  private(set) var isRetransmission = false

  /// Minimum PTO before the first loss, microseconds. Linux delays ACKs by up to 40 ms, even of several segments while its
  /// application does not read.
  private static let leastBeforeLoss: UInt64 = 50_000
  private static let leastAfterLoss: UInt64 = 10_000
  /// TLP.max_ack_delay: what the ACK of a single segment may be held back. RFC 1122 §4.2.3.2 allows 500 ms and
  /// RFC 8985 says 200 ms, which is the RTO here. Kernels take 40 ms, or a round trip if that is longer (Linux), to
  /// 50 ms; one that takes more gets its segment twice.
  private static let longestDelay: UInt64 = 50_000

  /// PTO (§7.2), nanoseconds from the last segment or ACK on: two round trips, plus the delay of an ACK if a single segment
  /// is in flight. The caller uses the RTO if that is earlier.
  /// - Parameters:
  ///   - roundTrip: SRTT in microseconds, not 0.
  ///   - wasLossy: a loss was detected recently.
  ///   - isSingle: one segment is in flight.
  @inline(__always)
  static func timeout(roundTrip: UInt32, wasLossy: Bool, isSingle: Bool) -> UInt64 {
    let trips = UInt64(roundTrip) &* 2
    if isSingle { return (trips &+ longestDelay) &* 1000 }
    return max(wasLossy ? leastAfterLoss : leastBeforeLoss, trips) &* 1000
  }

  /// A probe is sent (§7.3).
  mutating func sent(end: UInt32, isRetransmission: Bool) {
    self.end = end
    self.isRetransmission = isRetransmission
  }

  /// What an ACK tells of the probe.
  enum Answer: Equatable {
    /// Nothing yet.
    case none
    /// The probe arrived, and so had the original segment.
    case delivered
    /// The probe arrived, and the original segment had not.
    case repaired
  }

  /// TLP_process_ack (§7.4.2).
  /// - Parameters:
  ///   - isBareDuplicate: the ACK acknowledges and reports nothing new.
  ///   - twice: the DSACK block, if any (RFC 2883).
  func answer(_ acknowledgement: UInt32, isBareDuplicate: Bool, twice: SACKBlock?) -> Answer {
    guard Sequence32.lessOrEqual(end, acknowledgement) else { return .none }
    if !isRetransmission || isAnswered(by: twice) { return .delivered }
    if Sequence32.less(end, acknowledgement) { return .repaired }
    return isBareDuplicate ? .delivered : .none
  }

  /// Whether the DSACK block is of the probe.
  func isAnswered(by twice: SACKBlock?) -> Bool {
    guard isRetransmission, let twice else { return false }
    return twice.end == end
  }
}
