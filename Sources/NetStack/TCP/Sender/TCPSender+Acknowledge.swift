// SPDX-License-Identifier: Apache-2.0
//
// ACKs: window, round trip, congestion window, and loss detection by duplicate ACKs if there is no scoreboard (RFC 9293
// §3.10.7.4, RFC 5681 §3.2, RFC 6582). With a scoreboard: TCPSender+Loss.

extension TCPSender {
  /// Results for the engine.
  struct Outcome: OptionSet {
    let rawValue: UInt8

    /// There may be data to send.
    static let outputDue = Outcome(rawValue: 1 << 0)
    /// A timeout was spurious: data that it marked as lost is in flight.
    static let undone = Outcome(rawValue: 1 << 1)
    /// A recovery began.
    static let recovering = Outcome(rawValue: 1 << 2)
  }

  /// Position of an acknowledgement.
  enum Place {
    /// Beyond everything that was sent.
    case unsent
    /// Before SND.UNA; `tooOld`: so far before it that it is probably forged (RFC 5961 §5.2).
    case old, tooOld
    case current
  }

  @inline(__always)
  func place(of acknowledgement: UInt32) -> Place {
    if Sequence32.less(maximum, acknowledgement) { return .unsent }
    guard Sequence32.less(acknowledgement, unacknowledged) else { return .current }
    return Sequence32.less(acknowledgement, unacknowledged &- max(largestWindow, 65535))
      ? .tooOld : .old
  }

  /// Updates the window from a segment that is not older than the last one it was updated from (SND.WL1, SND.WL2).
  @inline(__always)
  mutating func updateWindow(_ bytes: UInt32, sequence: UInt32, acknowledgement: UInt32) -> Outcome
  {
    guard
      Sequence32.less(windowSequence, sequence)
        || (windowSequence == sequence
          && Sequence32.lessOrEqual(windowAcknowledgement, acknowledgement))
    else { return [] }
    windowSequence = sequence
    windowAcknowledgement = acknowledgement
    guard bytes != window else { return [] }
    window = bytes
    if bytes > largestWindow { largestWindow = bytes }
    if flags.contains(.isProbing), bytes > 0 {
      flags.remove(.isProbing)
      deadline = 0
      attempts = 0
      // Data in flight beyond the closed window may have been lost.
      if flags.contains(.isMarked) { flags.insert(.retransmitDue) }
    }
    return .outputDue
  }

  /// Processes an acknowledgement of new bytes. The FIN follows the data and is no byte of it.
  /// - Parameter landed: `SACKScoreboard.landed` after `ack` was taken.
  @inline(__always)
  mutating func advance(
    to ack: UInt32, dataEnd: UInt32, landed: UInt32 = 0, _ path: CongestionPath
  ) -> Outcome {
    let bytes = dataEnd &- unacknowledged
    unacknowledged = ack
    if Sequence32.less(next, ack) { next = ack }
    if flags.contains(.isTiming), Sequence32.less(timedSequence, ack) {
      flags.remove(.isTiming)
      let sample = Self.microseconds(path.now) &- timedAt
      rtt.sample(microseconds: sample)
      rack.sample(microseconds: sample)
    }
    attempts = 0
    duplicateAcks = 0
    flags.remove(.isProbing)
    if maximum == ack {
      deadline = 0
      flags.subtract([.isTailArmed, .isReorderArmed])
    } else {
      arm(path.now)
    }
    if congestion.isLimiting, !flags.contains(.inRecovery) {
      congestion.acknowledged(bytes, isAfterTimeout: flags.contains(.inLoss), path)
    }
    guard !flags.isDisjoint(with: [.inLoss, .inRecovery]) else { return [] }
    return advanceInLoss(to: ack, landed: landed)
  }

  private mutating func advanceInLoss(to ack: UInt32, landed: UInt32) -> Outcome {
    var outcome: Outcome = []
    if flags.contains(.inLoss) {
      let verdict = spuriousTimeout.advanced(
        isAll: Sequence32.lessOrEqual(recoveryPoint, ack),
        canSendNew: Sequence32.less(maximum, end)
          && Sequence32.less(maximum, unacknowledged &+ window))
      switch verdict {
      case .none: break
      case .sendNew:
        next = maximum
        congestion.allow(pipe(landed: landed) &+ 2 &* UInt32(segmentSize))
      case .spurious: outcome = undoTimeout()
      }
      if flags.contains(.inLoss), Sequence32.lessOrEqual(recoveryPoint, ack) {
        flags.remove(.inLoss)
        rack.recovered(unacknowledged: ack)
      }
    }
    if flags.contains(.inRecovery) {
      if Sequence32.less(ack, recoveryPoint) {
        guard scoreboard == 0 else { return outcome }
        // A partial acknowledgement: the next segment is lost too (RFC 6582 §3.2).
        if Sequence32.lessOrEqual(retransmitNext, ack) { retransmitNext = ack }
        flags.insert(.retransmitDue)
      } else {
        flags.subtract([.inRecovery, .retransmitDue])
        rack.recovered(unacknowledged: ack)
      }
    }
    return outcome
  }

  /// Processes a duplicate ACK (RFC 5681 §2).
  mutating func duplicate(_ path: CongestionPath) -> Outcome {
    var outcome: Outcome = []
    if flags.contains(.inLoss), spuriousTimeout.isUndecided, spuriousTimeout.duplicate() {
      // Missing data is retransmitted from its first byte, at most three segments (RFC 5682 §2.1, 3a).
      congestion.allow(min(congestion.window, 3 &* UInt32(segmentSize)))
      if scoreboard == 0 { next = unacknowledged } else { flags.insert(.retransmitDue) }
      outcome = .outputDue
    }
    // With a scoreboard, loss is detected by time instead of the number of duplicate ACKs.
    guard scoreboard == 0 else { return outcome }
    if duplicateAcks < 255 { duplicateAcks &+= 1 }
    guard !flags.contains(.inRecovery) else { return .outputDue }
    if duplicateAcks >= SACKScoreboard.duplicateThreshold {
      outcome.formUnion(enterRecovery(path))
    }
    return outcome
  }

  /// Begins loss recovery (RFC 6675 §5, step 4; RFC 6582 §3.2, step 2).
  mutating func enterRecovery(_ path: CongestionPath) -> Outcome {
    guard !flags.contains(.inLoss) else { return [] }
    recoveryPoint = maximum
    retransmitNext = unacknowledged
    spuriousTimeout.forget()
    congestion.congested(flight: flight, path)
    // Retransmitted segments cannot be timed (Karn's algorithm).
    flags.subtract([.isTiming, .tailProbed, .isTailArmed])
    flags.formUnion([.inRecovery, .retransmitDue])
    return [.outputDue, .recovering]
  }

  mutating func undoTimeout() -> Outcome {
    congestion.restore(spuriousTimeout.windowBefore)
    spuriousTimeout.forget()
    flags.remove(.inLoss)
    next = maximum
    return [.outputDue, .undone]
  }
}
