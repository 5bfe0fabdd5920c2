// SPDX-License-Identifier: Apache-2.0
//
// Detection of spurious retransmission timeouts, which occur when a guest was paused and lost nothing.
//
// F-RTO (RFC 5682 §2.1): after the timeout the first segment is retransmitted. If the next ACK advances, but not to the
// end, two new segments are sent; if the ACK after that advances too, the segments sent before the timeout have arrived. An
// ACK of all data is inconclusive by itself, but a DSACK in it (RFC 2883 §4) of the retransmitted segment shows the same
// (RFC 3708 §3). In both cases the congestion window of before the timeout is restored.

/// The state of the detection, four bytes: undecided from a timeout until one of the rules above has decided.
struct SpuriousTimeout: BitwiseCopyable {
  /// The congestion window before the timeout, 0 if nothing is undecided. The highest bit is set if new segments were sent
  /// since.
  private var word: UInt32 = 0
  private static let sentNew: UInt32 = 1 << 31

  /// The window to restore, bytes; 0 if nothing is undecided.
  var windowBefore: UInt32 { word & ~Self.sentNew }
  var isUndecided: Bool { word != 0 }
  /// New segments were sent instead of retransmissions, and the next ACK decides.
  var isWaiting: Bool { word & Self.sentNew != 0 }

  /// The result of an ACK that advances.
  enum Verdict: Equatable {
    /// Undecided, or undecidable.
    case none
    /// New segments may be sent; no further retransmissions (step 2b).
    case sendNew
    /// Nothing was lost (step 3b).
    case spurious
  }

  /// The retransmission timer fired.
  /// - Parameters:
  ///   - isFirst: nothing that an earlier timeout marked as lost is unacknowledged.
  ///   - isRecovering: segments were being retransmitted, and would also be reported as duplicates.
  mutating func timerFired(window: UInt32, isFirst: Bool, isRecovering: Bool) {
    if word & Self.sentNew != 0 {
      // A second timeout before an ACK of the new segments: the first one was genuine.
      word = 0
    } else if isFirst {
      word = isRecovering ? 0 : window
    }
  }

  /// An ACK advances while data that the timeout marked as lost is unacknowledged.
  /// - Parameters:
  ///   - isAll: the ACK covers all of that data.
  ///   - canSendNew: there is new data, and the guest's window has room for it.
  mutating func advanced(isAll: Bool, canSendNew: Bool) -> Verdict {
    guard isUndecided else { return .none }
    if word & Self.sentNew != 0 { return .spurious }
    guard !isAll else { return .none }
    guard canSendNew else {
      // Further segments are retransmitted, and would be reported as duplicates too.
      word = 0
      return .none
    }
    word |= Self.sentNew
    return .sendNew
  }

  /// A duplicate ACK: data is missing (step 3a). True if new segments were sent; retransmission then continues at the first
  /// missing segment.
  mutating func duplicate() -> Bool {
    let didSendNew = word & Self.sentNew != 0
    word = 0
    return didSendNew
  }

  /// Ends the detection without a result.
  mutating func forget() { word = 0 }
}
