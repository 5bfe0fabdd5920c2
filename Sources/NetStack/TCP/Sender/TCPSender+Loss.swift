// SPDX-License-Identifier: Apache-2.0
//
// Loss detection for guests with SACK: RACK-TLP (RFC 8985) on the scoreboard. Without SACK: duplicate ACKs (RFC 6582;
// TCPSender+Acknowledge).
//
// Each ACK is processed in two steps: `report` before its acknowledgement is taken, `detectLoss` after it.

import Wire

extension TCPSender {
  /// Records what an ACK acknowledges and reports (RFC 8985 §6.2, steps 2 and 3; RFC 6675 §4, Update).
  mutating func report(
    _ acknowledgement: UInt32, _ blocks: SACKBlocks, _ board: inout SACKScoreboard, _ now: UInt64
  ) {
    let now = Self.microseconds(now)
    beginMarks()
    board.removeBefore(unacknowledged)
    var rack = rack
    board.acknowledge(acknowledgement) { run, stop in rack.delivered(run, stop, now: now) }
    for index in 0..<blocks.count {
      board.report(blocks[index], above: acknowledgement) { run, stop in
        rack.delivered(run, stop, now: now)
      }
    }
    rack.moveForward(to: board.highest(or: acknowledgement))
    self.rack = rack
  }

  /// From now on each ACK goes through loss detection.
  mutating func beginMarks() {
    guard !flags.contains(.isMarked) else { return }
    flags.insert(.isMarked)
    rack.begin(unacknowledged: unacknowledged)
  }

  /// A DSACK (RFC 2883): a retransmission was unnecessary.
  mutating func reportedTwice(_ twice: SACKBlock) -> Outcome {
    // A duplicate caused by a loss probe is no sign of reordering.
    if !flags.contains(.tailProbed) || !probe.isAnswered(by: twice) {
      rack.reportedTwice(unacknowledged: unacknowledged, next: next)
    }
    return spuriousTimeout.isUndecided ? undoTimeout() : []
  }

  /// Marks lost segments (RFC 8985 §6.2, steps 4 and 5), after an acknowledgement was taken or when the reordering timer
  /// fires.
  mutating func detectLoss(_ board: inout SACKScoreboard, _ path: CongestionPath) -> Outcome {
    let isRecovering = !flags.isDisjoint(with: [.inRecovery, .inLoss])
    let window = rack.reorderingWindow(
      isRecovering: isRecovering,
      hasThreshold: board.hasDuplicateThreshold(segmentSize: UInt32(segmentSize)),
      smoothed: rtt.smoothed)
    let timeout = rack.detectLoss(&board, window: window, now: Self.microseconds(path.now))
    armReordering(timeout, path.now)
    guard board.isMarked else {
      flags.remove(.isMarked)
      return []
    }
    // Reported segments are not in flight any more: there may be room for new data.
    guard board.lostBytes > 0 else { return .outputDue }
    flags.insert(.retransmitDue)
    return isRecovering ? .outputDue : enterRecovery(path)
  }

  /// Sets the reordering timer (RFC 8985 §6.3), which takes precedence over the loss probe and the RTO (§8).
  private mutating func armReordering(_ timeout: UInt32, _ now: UInt64) {
    if timeout > 0 {
      flags.insert(.isReorderArmed)
      flags.remove(.isTailArmed)
      deadline = now &+ UInt64(timeout) &* 1000
    } else if flags.contains(.isReorderArmed) {
      flags.remove(.isReorderArmed)
      arm(now)
    }
  }

  /// Processes an ACK while a loss probe is outstanding, before its acknowledgement is taken (RFC 8985 §7.4).
  /// - Parameters:
  ///   - isBareDuplicate: the ACK acknowledges and reports nothing new.
  ///   - twice: the DSACK block, if any.
  mutating func answerProbe(
    _ acknowledgement: UInt32, isBareDuplicate: Bool, twice: SACKBlock?, _ path: CongestionPath
  ) {
    if flags.contains(.inRecovery), Sequence32.less(unacknowledged, acknowledgement) {
      flags.remove(.tailProbed)
      return
    }
    switch probe.answer(acknowledgement, isBareDuplicate: isBareDuplicate, twice: twice) {
    case .none: return
    case .delivered: break
    case .repaired:
      if flags.isDisjoint(with: [.inRecovery, .inLoss]) {
        congestion.congested(flight: flight, path)
      }
    }
    flags.remove(.tailProbed)
  }

  /// The retransmission timer fired (RFC 8985 §6.3, RFC 6298 §5): the first segment is lost, and those sent long ago.
  mutating func timedOut(_ board: inout SACKScoreboard, _ path: CongestionPath) {
    reduceAtTimeout(path)
    beginMarks()
    board.removeBefore(unacknowledged)
    if board.hasReneged(at: unacknowledged) { board.forgetReports() }
    let window = rack.reorderingWindow(
      isRecovering: true, hasThreshold: true, smoothed: rtt.smoothed)
    rack.markLostAtTimeout(
      &board, window: window, segmentSize: UInt32(segmentSize),
      now: Self.microseconds(path.now))
    flags.insert(.retransmitDue)
  }
}
