// SPDX-License-Identifier: Apache-2.0
//
// What an ACK, or the time, tells of loss to a guest that selectively acknowledges: RACK-TLP (RFC 8985) over the
// scoreboard. A guest that does not is left to duplicate ACKs (RFC 6582; TCPSender+Acknowledge).
//
// An ACK goes through here twice: `report` before its acknowledgement is taken, `detectLoss` after it.

import Wire

extension TCPSender {
  /// What an ACK says has arrived (RFC 8985 §6.2, steps 2 and 3; RFC 6675 §4, Update).
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

  /// From now on ACKs are looked at one by one.
  mutating func beginMarks() {
    guard !flags.contains(.isMarked) else { return }
    flags.insert(.isMarked)
    rack.begin(unacknowledged: unacknowledged)
  }

  /// The guest has received something twice (RFC 2883): a timeout, or a retransmission, was in vain.
  mutating func reportedTwice(_ twice: SACKBlock) -> Outcome {
    // A loss probe says nothing of reordering.
    if !flags.contains(.tailProbed) || !probe.isAnswered(by: twice) {
      rack.reportedTwice(unacknowledged: unacknowledged, next: next)
    }
    return spuriousTimeout.isUndecided ? undoTimeout() : []
  }

  /// Takes what is lost (RFC 8985 §6.2, steps 4 and 5), now that the acknowledgement was taken, or the time to look
  /// again has come.
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
    // What was reported is not under way any more: there may be room for new data.
    guard board.lostBytes > 0 else { return .outputDue }
    flags.insert(.retransmitDue)
    return isRecovering ? .outputDue : enterRecovery(path)
  }

  /// The reordering timer (RFC 8985 §6.3), which comes before the loss probe and the RTO (§8).
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

  /// An ACK while a loss probe is outstanding, before it is taken (RFC 8985 §7.4).
  /// - Parameters:
  ///   - isBareDuplicate: it acknowledges nothing new and reports nothing.
  ///   - twice: what the guest says it got twice.
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

  /// The RTO is over (RFC 8985 §6.3, RFC 6298 §5): the first segment is lost, and what was sent long ago.
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
