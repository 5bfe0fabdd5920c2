// SPDX-License-Identifier: Apache-2.0
//
// Timeouts that were none: a guest that was paused answers late, and has lost nothing.
//
// F-RTO (RFC 5682 §2.1): the first segment goes out again when the timer fires. An ACK that advances but
// not to the end lets two new segments out; if the next ACK advances, too, what was sent before the
// timeout has arrived. A guest that acknowledges all at once tells nothing by that; its duplicate SACK
// (RFC 2883 §4), which names what went out again, does (RFC 3708 §3). Either way the congestion window
// is what it was before the timeout.

/// See the head of this file. Four bytes: undecided from a timeout on until one of these has decided.
struct SpuriousTimeout: BitwiseCopyable {
  /// The congestion window before the timeout, 0 when there is nothing to decide; in the highest bit
  /// whether new segments went out since.
  private var word: UInt32 = 0
  private static let sentNew: UInt32 = 1 << 31

  /// The window to go back to, bytes; 0 when there is nothing to decide.
  var windowBefore: UInt32 { word & ~Self.sentNew }
  var isUndecided: Bool { word != 0 }
  /// New segments went out instead of what the timeout took for lost, and what the guest says to them decides.
  var isWaiting: Bool { word & Self.sentNew != 0 }

  /// What an ACK that advances says.
  enum Verdict: Equatable {
    /// Nothing yet, or that it cannot be told.
    case none
    /// New segments may go out, and what is sent before them not again (step 2b).
    case sendNew
    /// Nothing was lost (step 3b).
    case spurious
  }

  /// The retransmission timer fired.
  /// - Parameters:
  ///   - isFirst: all that an earlier one took for lost was acknowledged.
  ///   - isRecovering: segments were being sent again, which would be reported twice, too.
  mutating func timerFired(window: UInt32, isFirst: Bool, isRecovering: Bool) {
    if word & Self.sentNew != 0 {
      // It fired again before anybody acknowledged the new segments: no answer is the answer.
      word = 0
    } else if isFirst {
      word = isRecovering ? 0 : window
    }
  }

  /// An ACK advances while what the timeout took for lost is not all acknowledged.
  /// - Parameters:
  ///   - isAll: with this ACK it is.
  ///   - canSendNew: there is something new to send, and the guest has room for it.
  mutating func advanced(isAll: Bool, canSendNew: Bool) -> Verdict {
    guard isUndecided else { return .none }
    if word & Self.sentNew != 0 { return .spurious }
    guard !isAll else { return .none }
    guard canSendNew else {
      // What follows goes out again, and would be reported twice.
      word = 0
      return .none
    }
    word |= Self.sentNew
    return .sendNew
  }

  /// A duplicate ACK: something is missing indeed (step 3a). True when new segments went out, and what
  /// comes next is the first that is missing.
  mutating func duplicate() -> Bool {
    let didSendNew = word & Self.sentNew != 0
    word = 0
    return didSendNew
  }

  /// It was decided by something else.
  mutating func forget() { word = 0 }
}
