// SPDX-License-Identifier: Apache-2.0
//
// What a segment acknowledges: RFC 9293 §3.10.7.4 (fifth), RFC 5961 §5, round-trip times
// (RFC 6298), SACK and the detection of loss (RFC 2018, RFC 6675, RFC 6582).

import PluginAPI

extension TCPEngine {
  /// DupThresh of RFC 6675 §2, and of RFC 5681 §3.2.
  private static let duplicateThreshold = 3

  /// Microseconds of the stack's clock, as they wrap: round trips are far shorter.
  var clock: UInt32 { UInt32(truncatingIfNeeded: stack.now / 1000) }

  /// Takes the acknowledgement and the window of a segment; false when the segment is to be
  /// dropped, or when the flow is gone.
  @inline(__always)
  func acknowledge(_ flow: FlowPointer, _ segment: Segment) -> Bool {
    let ack = segment.acknowledgement
    let unacknowledged = flow.pointee.sendUnacknowledged
    if Sequence32.less(flow.pointee.sendMaximum, ack) {
      // It acknowledges what was never sent.
      challenge(flow)
      return false
    }
    if Sequence32.less(ack, unacknowledged) {
      // Old; too old is an injection (RFC 5961 §5.2).
      if Sequence32.less(ack, unacknowledged &- max(flow.pointee.largestSendWindow, 65535)) {
        challenge(flow)
        return false
      }
      return true
    }
    let hasOptions = segment.packet.headerLength > TCPHeader.minimumLength
    if hasOptions, flow.pointee.flags.contains(.sackPermitted) {
      takeSACK(flow, segment.packet.options.sackBlocks, acknowledgement: ack)
    }
    let window = UInt32(segment.window) << UInt32(flow.pointee.sendScale)
    let isDuplicate =
      ack == unacknowledged && segment.payload.count == 0 && !segment.flags.contains(.fin)
      && window == flow.pointee.sendWindow && flow.pointee.sendMaximum != unacknowledged
    updateWindow(flow, segment, window)
    if ack != unacknowledged {
      advance(flow, to: ack)
    } else if isDuplicate {
      duplicate(flow)
    }
    return flow.pointee.state != .closed
  }

  @inline(__always)
  private func updateWindow(_ flow: FlowPointer, _ segment: Segment, _ window: UInt32) {
    let last = flow.pointee.sendWindowSequence
    guard
      Sequence32.less(last, segment.sequence)
        || (last == segment.sequence
          && Sequence32.lessOrEqual(
            flow.pointee.sendWindowAcknowledgement, segment.acknowledgement))
    else { return }
    if window != flow.pointee.sendWindow {
      flow.pointee.sendWindow = window
      if window > flow.pointee.largestSendWindow { flow.pointee.largestSendWindow = window }
      if flow.pointee.flags.contains(.isProbing), window > 0 {
        flow.pointee.flags.remove(.isProbing)
        flow.pointee.retransmitDeadline = 0
        flow.pointee.attempts = 0
      }
      touch(flow, .outputDue)
    }
    flow.pointee.sendWindowSequence = segment.sequence
    flow.pointee.sendWindowAcknowledgement = segment.acknowledgement
  }

  /// New bytes are acknowledged.
  @inline(__always)
  private func advance(_ flow: FlowPointer, to ack: UInt32) {
    let from = flow.pointee.sendUnacknowledged
    let end = flow.pointee.sendEnd
    // The FIN comes after the data and holds no byte.
    let finAcknowledged =
      flow.pointee.flags.contains(.finSent) && Sequence32.less(end, ack)
    let dataAck = finAcknowledged ? end : ack
    flow.pointee.sendUnacknowledged = ack
    if Sequence32.less(flow.pointee.sendNext, ack) { flow.pointee.sendNext = ack }
    store.release(&flow.pointee.sendTable, from: from, to: dataAck, isLast: dataAck == end)
    counters.bytesToGuest &+= UInt64(dataAck &- from)

    if flow.pointee.flags.contains(.isTiming),
      Sequence32.less(flow.pointee.timedSequence, ack)
    {
      flow.pointee.flags.remove(.isTiming)
      flow.pointee.rtt.sample(microseconds: clock &- flow.pointee.timedAt)
    }
    flow.pointee.attempts = 0
    flow.pointee.duplicateAcks = 0
    flow.pointee.flags.subtract([.isProbing, .tailProbed])
    if flow.pointee.sendMaximum == ack {
      flow.pointee.retransmitDeadline = 0
      flow.pointee.flags.remove(.isTailArmed)
    } else {
      armRetransmission(flow)
    }
    if flow.pointee.congestion.isLimiting, !flow.pointee.flags.contains(.inRecovery) {
      flow.pointee.congestion.acknowledged(
        dataAck &- from, isAfterTimeout: flow.pointee.flags.contains(.inLoss), path(of: flow))
    }

    if flow.pointee.scoreboard != 0 {
      let board = ranges.pointer(flow.pointee.scoreboard)
      board.pointee.removeBefore(ack)
      if board.pointee.count == 0 { giveRanges(flow, &flow.pointee.scoreboard) }
    }
    if flow.pointee.flags.contains(.inLoss), flow.pointee.windowBeforeTimeout != 0 {
      advancedAfterTimeout(flow)
    }
    if flow.pointee.flags.contains(.inLoss),
      Sequence32.lessOrEqual(flow.pointee.recoveryPoint, ack)
    {
      flow.pointee.flags.remove(.inLoss)
    }
    if flow.pointee.flags.contains(.inRecovery) {
      if Sequence32.less(ack, flow.pointee.recoveryPoint) {
        // A partial acknowledgement: the next hole, too, is lost (RFC 6582 §3.2).
        if Sequence32.lessOrEqual(flow.pointee.retransmitNext, ack) {
          flow.pointee.retransmitNext = ack
        }
        flow.pointee.flags.insert(.retransmitDue)
      } else {
        flow.pointee.flags.subtract([.inRecovery, .retransmitDue])
      }
    }
    if finAcknowledged { ourFinAcknowledged(flow) }
    if flow.pointee.state != .closed {
      if !flow.pointee.flags.contains(.hostFinished) { resumeReading(flow) }
      touch(flow, .outputDue)
    }
  }

  private func duplicate(_ flow: FlowPointer) {
    if flow.pointee.duplicateAcks < 255 { flow.pointee.duplicateAcks &+= 1 }
    if flow.pointee.flags.contains(.inLoss), flow.pointee.windowBeforeTimeout != 0 {
      duplicateAfterTimeout(flow)
    }
    guard !flow.pointee.flags.contains(.inRecovery) else {
      if flow.pointee.scoreboard != 0 { touch(flow, [.outputDue, .retransmitDue]) }
      return
    }
    if flow.pointee.duplicateAcks >= Self.duplicateThreshold { enterRecovery(flow) }
  }

  /// Something before what the guest reported is lost.
  private func enterRecovery(_ flow: FlowPointer) {
    guard !flow.pointee.flags.contains(.inLoss) else { return }
    flow.pointee.recoveryPoint = flow.pointee.sendMaximum
    flow.pointee.retransmitNext = flow.pointee.sendUnacknowledged
    flow.pointee.windowBeforeTimeout = 0
    flow.pointee.congestion.congested(flight: flight(of: flow), path(of: flow))
    // Karn: what is sent again cannot be timed.
    flow.pointee.flags.subtract([.isTiming, .tailProbed, .isTailArmed])
    touch(flow, [.inRecovery, .retransmitDue, .outputDue])
  }

  // MARK: SACK

  private func takeSACK(
    _ flow: FlowPointer, _ blocks: SACKBlocks, acknowledgement: UInt32
  ) {
    guard !blocks.isEmpty else { return }
    if Sequence32.less(blocks[0].start, blocks[0].end),
      Sequence32.lessOrEqual(blocks[0].end, acknowledgement)
    {
      reportedTwice(flow)
    }
    let low = flow.pointee.sendUnacknowledged
    let high = flow.pointee.sendMaximum
    if flow.pointee.scoreboard == 0 {
      flow.pointee.scoreboard = takeRanges(flow)
      guard flow.pointee.scoreboard != 0 else { return }
    }
    let board = ranges.pointer(flow.pointee.scoreboard)
    for index in 0..<blocks.count {
      let block = blocks[index]
      // Blocks outside of what is in flight are duplicates (RFC 2883) or nonsense.
      guard Sequence32.less(low, block.start), Sequence32.less(block.start, block.end),
        Sequence32.lessOrEqual(block.end, high)
      else { continue }
      _ = board.pointee.insert(start: block.start, end: block.end)
    }
    if board.pointee.count == 0 {
      giveRanges(flow, &flow.pointee.scoreboard)
    } else if !flow.pointee.flags.contains(.inRecovery),
      Self.isLost(board, segmentSize: UInt32(flow.pointee.segmentSize))
        || (flow.pointee.flags.contains(.tailProbed) && board.pointee.highest(or: low) == high)
    {
      // Or the tail arrived when it was sent again, long after all that came before it.
      enterRecovery(flow)
    } else if flow.pointee.flags.contains(.inRecovery) {
      touch(flow, [.retransmitDue, .outputDue])
    }
  }

  /// Whether the first byte that is missing is lost (RFC 6675 §4, IsLost): DupThresh ranges arrived
  /// after it, or more than DupThresh - 1 segments' worth of bytes.
  private static func isLost(
    _ board: UnsafeMutablePointer<SequenceRanges>, segmentSize: UInt32
  ) -> Bool {
    board.pointee.count >= duplicateThreshold
      || board.pointee.byteCount > UInt32(duplicateThreshold &- 1) &* segmentSize
  }

  // MARK: Congestion

  /// What the congestion control is told.
  func path(of flow: FlowPointer) -> CongestionPath {
    CongestionPath(
      segmentSize: UInt32(flow.pointee.segmentSize),
      buffer: UInt32(clamping: stack.config.sendBuffer), roundTrip: flow.pointee.rtt.smoothed,
      now: stack.now)
  }

  /// FlightSize (RFC 5681 §2): bytes sent and not acknowledged.
  @inline(__always)
  func flight(of flow: FlowPointer) -> UInt32 {
    flow.pointee.sendMaximum &- flow.pointee.sendUnacknowledged
  }

  /// Bytes that the congestion window lets out: all of it less what is under way (RFC 6675 §4, pipe).
  func congestionRoom(_ flow: FlowPointer) -> Int {
    var arrived: UInt32 = 0
    if flow.pointee.scoreboard != 0 {
      let board = ranges.pointer(flow.pointee.scoreboard)
      arrived = board.pointee.byteCount
      if flow.pointee.flags.contains(.inRecovery) {
        // What is lost and was not sent again is not under way either.
        arrived &+= board.pointee.gapBytes(
          from: Sequence32.max(flow.pointee.retransmitNext, flow.pointee.sendUnacknowledged))
      }
    } else if flow.pointee.flags.contains(.inRecovery) {
      arrived = UInt32(flow.pointee.duplicateAcks) &* UInt32(flow.pointee.segmentSize)
    }
    let flight = Sequence32.distance(
      from: flow.pointee.sendUnacknowledged, to: flow.pointee.sendNext)
    let pipe = flight > arrived ? flight &- arrived : 0
    return Int(flow.pointee.congestion.room(pipe: pipe))
  }

  // MARK: The timer

  /// Sets the deadline of what is in flight: first for a probe (RFC 8985 §7), then the RTO. No
  /// duplicate ACK would tell that the tail was lost, or what was sent again. The guest may delay
  /// its ACK by 40 ms (Linux), even of several segments while its application does not read:
  /// where nothing was ever lost that is waited for. One segment alone may always be delayed.
  @inline(__always)
  func armRetransmission(_ flow: FlowPointer) {
    if flow.pointee.rtt.smoothed != 0, flight(of: flow) > UInt32(flow.pointee.segmentSize),
      flow.pointee.flags.intersection([.inLoss, .tailProbed, .sackPermitted]) == .sackPermitted
    {
      let isClean = !flow.pointee.congestion.isLimiting
      let least: UInt64 = isClean ? 50_000 : 10_000
      flow.pointee.flags.insert(.isTailArmed)
      flow.pointee.retransmitDeadline =
        stack.now &+ max(least, UInt64(flow.pointee.rtt.smoothed) &* 2) &* 1000
    } else {
      flow.pointee.flags.remove(.isTailArmed)
      flow.pointee.retransmitDeadline = stack.now &+ retransmitTimeout(flow)
    }
  }

  /// The RTO in nanoseconds, backed off by `attempts`.
  func retransmitTimeout(_ flow: FlowPointer) -> UInt64 {
    flow.pointee.rtt.timeout(attempts: flow.pointee.attempts)
  }
}
