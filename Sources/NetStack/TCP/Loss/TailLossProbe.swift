// SPDX-License-Identifier: Apache-2.0
//
// TLP (RFC 8985 §7): the loss of the last segments, which nothing that was sent later tells. Before the
// retransmission timer fires something is sent whose ACK tells what the guest lacks: a new segment, or the
// last one once more. An ACK of the last one once more may also say that it alone was lost, and the probe
// has repaired it: then congestion control hears of that loss (§7.4).

import Wire

/// See the head of this file: a probe that was sent, and when one is due. Whether one is outstanding is in the
/// sender's flags.
struct TailLossProbe: BitwiseCopyable {
  /// TLP.end_seq: SND.NXT when it was sent.
  private(set) var end: UInt32 = 0
  /// TLP.is_retrans: it was the last segment once more.
  private(set) var isRetransmission = false

  /// The guest may delay its ACK by 40 ms (Linux), even of several segments while its application does
  /// not read: where nothing was ever lost that is waited for. Microseconds.
  private static let leastBeforeLoss: UInt64 = 50_000
  private static let leastAfterLoss: UInt64 = 10_000
  /// TLP.max_ack_delay: what the ACK of a single segment may be held back. RFC 1122 §4.2.3.2 allows 500 ms and
  /// RFC 8985 says 200 ms, which is the RTO here. Kernels take 40 ms, or a round trip if that is longer (Linux), to
  /// 50 ms; one that takes more gets its segment twice.
  private static let longestDelay: UInt64 = 50_000

  /// PTO, nanoseconds from the last segment or ACK on (§7.2): two round trips, and the delay of an ACK when one
  /// segment is under way. The caller leaves it to the RTO when that comes first.
  /// - Parameters:
  ///   - roundTrip: SRTT in microseconds, not 0.
  ///   - wasLossy: something was lost lately.
  ///   - isSingle: one segment is under way.
  @inline(__always)
  static func timeout(roundTrip: UInt32, wasLossy: Bool, isSingle: Bool) -> UInt64 {
    let trips = UInt64(roundTrip) &* 2
    if isSingle { return (trips &+ longestDelay) &* 1000 }
    return max(wasLossy ? leastAfterLoss : leastBeforeLoss, trips) &* 1000
  }

  /// A probe goes out (§7.3).
  mutating func sent(end: UInt32, isRetransmission: Bool) {
    self.end = end
    self.isRetransmission = isRetransmission
  }

  /// What an ACK says of it.
  enum Answer: Equatable {
    /// Nothing yet.
    case none
    /// It arrived, and so had what it was sent for.
    case delivered
    /// It arrived, and what it was sent for had not.
    case repaired
  }

  /// TLP_process_ack (§7.4.2).
  /// - Parameters:
  ///   - isBareDuplicate: it acknowledges nothing new and reports nothing.
  ///   - twice: what the guest says it got twice (RFC 2883).
  func answer(_ acknowledgement: UInt32, isBareDuplicate: Bool, twice: SACKBlock?) -> Answer {
    guard Sequence32.lessOrEqual(end, acknowledgement) else { return .none }
    if !isRetransmission || isAnswered(by: twice) { return .delivered }
    if Sequence32.less(end, acknowledgement) { return .repaired }
    return isBareDuplicate ? .delivered : .none
  }

  /// Whether what the guest got twice is the probe.
  func isAnswered(by twice: SACKBlock?) -> Bool {
    guard isRetransmission, let twice else { return false }
    return twice.end == end
  }
}
