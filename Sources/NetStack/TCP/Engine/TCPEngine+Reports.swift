// SPDX-License-Identifier: Apache-2.0
//
// SACK scoreboards of connections whose guest supports SACK: when one is allocated and freed, which events are recorded in
// it, and how ACKs and timers use it (RFC 8985; TCPSender+Loss).
//
// A single burst in flight needs no scoreboard, as TCPSender has its send time. A request-response connection therefore
// never allocates one; a bulk transfer keeps it until all is acknowledged.

import Wire

extension TCPEngine {
  // MARK: Taking and giving

  /// Whether the flow has a scoreboard, allocating one if needed. While a loss that was detected without one is being
  /// repaired it gets none.
  private func hasScoreboard(_ flow: FlowPointer) -> Bool {
    if flow.pointee.sender.scoreboard != 0 { return true }
    guard flow.pointee.sender.flags.contains(.sackPermitted),
      flow.pointee.sender.flags.isDisjoint(with: [.inLoss, .inRecovery])
    else { return false }
    let slot = takeScoreboard(flow)
    guard slot != 0 else { return false }
    flow.pointee.sender.scoreboard = slot
    scoreboards.pointer(slot).pointee.begin(
      unacknowledged: flow.pointee.sender.unacknowledged, end: flow.pointee.sender.next,
      sentAt: flow.pointee.sender.sentAt)
    return true
  }

  // MARK: Sending

  /// Records that [from, end) is sent. Called before the sender's state changes.
  @inline(__always)
  func noteSent(_ flow: FlowPointer, from: UInt32, to end: UInt32) {
    let now = TCPSender.microseconds(stack.now)
    let slot = flow.pointee.sender.scoreboard
    if slot != 0 {
      scoreboards.pointer(slot).pointee.sent(
        from: from, to: end, at: now, unacknowledged: flow.pointee.sender.unacknowledged)
    } else if !flow.pointee.sender.isIdle, flow.pointee.sender.sentAt != now {
      noteSecondBurst(flow, from: from, to: end)
    }
    flow.pointee.sender.sentAt = now
  }

  private func noteSecondBurst(_ flow: FlowPointer, from: UInt32, to end: UInt32) {
    guard hasScoreboard(flow) else { return }
    scoreboards.pointer(flow.pointee.sender.scoreboard).pointee.sent(
      from: from, to: end, at: TCPSender.microseconds(stack.now),
      unacknowledged: flow.pointee.sender.unacknowledged)
  }

  /// Records a retransmission.
  func noteSentAgain(_ flow: FlowPointer, _ piece: TCPSender.Piece) {
    guard hasScoreboard(flow) else { return }
    flow.pointee.sender.beginMarks()
    scoreboards.pointer(flow.pointee.sender.scoreboard).pointee.sentAgain(
      from: piece.sequence, to: piece.end, at: TCPSender.microseconds(stack.now))
  }

  /// The frame that begins at `sequence` did not reach the link. True if everything from there on must be sent again;
  /// otherwise the frame is marked as lost.
  func takeBack(_ flow: FlowPointer, _ sequence: UInt32) -> Bool {
    let slot = flow.pointee.sender.scoreboard
    guard slot != 0 else { return true }
    if scoreboards.pointer(slot).pointee.refused(
      at: sequence, segmentSize: UInt32(flow.pointee.sender.segmentSize))
    {
      return true
    }
    flow.pointee.sender.beginMarks()
    flow.pointee.sender.flags.insert(.retransmitDue)
    return false
  }

  // MARK: ACKs and timers

  /// Processes a segment's SACK blocks, before its acknowledgement.
  /// - Parameter changesNothing: the segment acknowledges nothing new, and has no data and no new window.
  func takeReport(_ flow: FlowPointer, _ segment: Segment, changesNothing: Bool) {
    guard flow.pointee.sender.flags.contains(.sackPermitted) else { return }
    let acknowledgement = segment.acknowledgement
    let blocks = segment.packet.options.sackBlocks
    let twice = blocks.duplicate(acknowledgement: acknowledgement)
    if let twice { note(flow, flow.pointee.sender.reportedTwice(twice)) }
    if flow.pointee.sender.flags.contains(.tailProbed) {
      flow.pointee.sender.answerProbe(
        acknowledgement, isBareDuplicate: changesNothing && blocks.isEmpty, twice: twice,
        path(of: flow))
    }
    guard flow.pointee.sender.flags.contains(.isMarked) || blocks.reach(beyond: acknowledgement),
      hasScoreboard(flow)
    else { return }
    flow.pointee.sender.report(
      acknowledgement, blocks, &scoreboards.pointer(flow.pointee.sender.scoreboard).pointee,
      stack.now)
  }

  /// Runs loss detection, after an ACK or when the reordering timer fires.
  func detectLoss(_ flow: FlowPointer) {
    guard flow.pointee.sender.flags.contains(.isMarked) else { return }
    let slot = flow.pointee.sender.scoreboard
    guard slot != 0 else {
      flow.pointee.sender.flags.remove(.isMarked)
      return
    }
    note(
      flow, flow.pointee.sender.detectLoss(&scoreboards.pointer(slot).pointee, path(of: flow)))
  }

  /// The reordering timer fired: segments whose time has passed count as lost (RFC 8985 §6.3).
  func reorderTimerFired(_ flow: FlowPointer) {
    flow.pointee.sender.flags.remove(.isReorderArmed)
    flow.pointee.sender.arm(stack.now)
    detectLoss(flow)
    touch(flow, .outputDue)
  }

  /// The retransmission timer fired.
  func takeTimeout(_ flow: FlowPointer) {
    let path = path(of: flow)
    if hasScoreboard(flow) {
      flow.pointee.sender.timedOut(
        &scoreboards.pointer(flow.pointee.sender.scoreboard).pointee, path)
    } else {
      flow.pointee.sender.timedOut(path)
    }
  }

  /// Bytes that were sent and are no longer in flight.
  func landed(_ flow: FlowPointer) -> UInt32 {
    let slot = flow.pointee.sender.scoreboard
    guard slot != 0 else { return flow.pointee.sender.landedByDuplicates }
    return scoreboards.pointer(slot).pointee.landed
  }

  /// Bytes that the congestion window lets the flow send.
  func congestionRoom(_ flow: FlowPointer) -> Int {
    let landed = landed(flow)
    return Int(
      flow.pointee.sender.congestion.room(pipe: flow.pointee.sender.pipe(landed: landed)))
  }

  // MARK: Retransmission

  /// Retransmits lost segments (RFC 6675 §5), or a single one without SACK (RFC 6582).
  func retransmitLost(_ flow: FlowPointer) {
    flow.pointee.sender.flags.remove(.retransmitDue)
    guard flow.pointee.sender.scoreboard != 0 else { return retransmitMissing(flow) }
    // F-RTO sends new segments instead (RFC 5682 §2.1, 2b).
    guard !flow.pointee.sender.spuriousTimeout.isWaiting else { return }
    guard flow.pointee.sender.window > 0 || !flow.pointee.sender.flags.contains(.inLoss) else {
      flow.pointee.sender.probeClosedWindow(stack.now)
      return
    }
    let board = scoreboards.pointer(flow.pointee.sender.scoreboard)
    // At least one segment per ACK, so that recovery progresses with any window.
    var budget = max(1, min(64, congestionRoom(flow) / Int(flow.pointee.sender.segmentSize)))
    while budget > 0, let lost = board.pointee.nextLost(),
      let piece = flow.pointee.sender.piece(from: lost.start, to: lost.end)
    {
      guard sendAgain(flow, piece, pushing(flow, piece)) else {
        flow.pointee.sender.flags.insert(.retransmitDue)
        break
      }
      noteSentAgain(flow, piece)
      counters.retransmits &+= 1
      budget &-= 1
    }
    flow.pointee.sender.arm(stack.now)
  }

  private func retransmitMissing(_ flow: FlowPointer) {
    if let piece = flow.pointee.sender.missing {
      if sendAgain(flow, piece, pushing(flow, piece)) {
        counters.retransmits &+= 1
        flow.pointee.sender.retransmitNext = piece.end
      } else {
        flow.pointee.sender.flags.insert(.retransmitDue)
      }
    }
    flow.pointee.sender.arm(stack.now)
  }

  private func pushing(_ flow: FlowPointer, _ piece: TCPSender.Piece) -> TCPFlags {
    piece.length > 0 && piece.sequence &+ piece.length == flow.pointee.sender.end ? .psh : []
  }
}

extension SACKBlocks {
  /// The DSACK block, if the first block is one: it lies before the acknowledgement, or within the second block (RFC 2883
  /// §4).
  func duplicate(acknowledgement: UInt32) -> SACKBlock? {
    guard count > 0, Sequence32.less(self[0].start, self[0].end) else { return nil }
    if Sequence32.lessOrEqual(self[0].end, acknowledgement) { return self[0] }
    guard count > 1, Sequence32.lessOrEqual(self[1].start, self[0].start),
      Sequence32.lessOrEqual(self[0].end, self[1].end)
    else { return nil }
    return self[0]
  }

  /// Whether a block reports data beyond the acknowledgement.
  func reach(beyond acknowledgement: UInt32) -> Bool {
    for index in 0..<count where Sequence32.less(acknowledgement, self[index].end) { return true }
    return false
  }
}
