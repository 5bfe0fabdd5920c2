// SPDX-License-Identifier: Apache-2.0
//
// What a segment acknowledges (RFC 9293 §3.10.7.4, fifth): the sender takes it, and here is what follows
// for the bytes that are kept, the socket and the connection's state.

import Wire

extension TCPEngine {
  /// Takes the acknowledgement and the window of a segment; false when the segment is to be
  /// dropped, or when the flow is gone.
  @inline(__always)
  func acknowledge(_ flow: FlowPointer, _ segment: Segment) -> Bool {
    let ack = segment.acknowledgement
    switch flow.pointee.sender.place(of: ack) {
    case .unsent, .tooOld:
      challenge(flow)
      return false
    case .old: return true
    case .current: break
    }
    let hasOptions = segment.packet.headerLength > TCPHeader.minimumLength
    if hasOptions, flow.pointee.sender.flags.contains(.sackPermitted) {
      takeSACK(flow, segment.packet.options.sackBlocks, acknowledgement: ack)
    }
    let window = UInt32(segment.window) << UInt32(flow.pointee.sender.windowScale)
    let isDuplicate =
      ack == flow.pointee.sender.unacknowledged && segment.payload.count == 0
      && !segment.flags.contains(.fin) && window == flow.pointee.sender.window
      && !flow.pointee.sender.isIdle
    note(
      flow,
      flow.pointee.sender.updateWindow(window, sequence: segment.sequence, acknowledgement: ack))
    if ack != flow.pointee.sender.unacknowledged {
      advance(flow, to: ack)
    } else if isDuplicate {
      note(flow, flow.pointee.sender.duplicate(path(of: flow)))
    }
    return flow.pointee.state != .closed
  }

  /// What the sender's congestion control is told.
  @inline(__always)
  func path(of flow: FlowPointer) -> CongestionPath {
    CongestionPath(
      segmentSize: UInt32(flow.pointee.sender.segmentSize),
      buffer: UInt32(clamping: stack.config.sendBuffer),
      roundTrip: flow.pointee.sender.rtt.smoothed, now: stack.now)
  }

  @inline(__always)
  private func note(_ flow: FlowPointer, _ outcome: TCPSender.Outcome) {
    guard !outcome.isEmpty else { return }
    if outcome.contains(.undone) { counters.spuriousTimeouts &+= 1 }
    if outcome.contains(.outputDue) { touch(flow, .outputDue) }
  }

  /// New bytes are acknowledged.
  @inline(__always)
  private func advance(_ flow: FlowPointer, to ack: UInt32) {
    let from = flow.pointee.sender.unacknowledged
    let end = flow.pointee.sender.end
    // The FIN comes after the data and holds no byte.
    let finAcknowledged =
      flow.pointee.sender.flags.contains(.finSent) && Sequence32.less(end, ack)
    let dataEnd = finAcknowledged ? end : ack
    note(flow, flow.pointee.sender.advance(to: ack, dataEnd: dataEnd, path(of: flow)))
    store.release(&flow.pointee.sender.table, from: from, to: dataEnd, isLast: dataEnd == end)
    counters.bytesToGuest &+= UInt64(dataEnd &- from)
    if flow.pointee.sender.scoreboard != 0 {
      let board = scoreboards.pointer(flow.pointee.sender.scoreboard)
      board.pointee.removeBefore(ack)
      if board.pointee.isEmpty { giveScoreboard(flow) }
    }
    if finAcknowledged { ourFinAcknowledged(flow) }
    if flow.pointee.state != .closed {
      if !flow.pointee.flags.contains(.hostFinished) { resumeReading(flow) }
      touch(flow, .outputDue)
    }
  }

  private func takeSACK(
    _ flow: FlowPointer, _ blocks: SACKBlocks, acknowledgement: UInt32
  ) {
    guard !blocks.isEmpty else { return }
    if Sequence32.less(blocks[0].start, blocks[0].end),
      Sequence32.lessOrEqual(blocks[0].end, acknowledgement)
    {
      note(flow, flow.pointee.sender.reportedTwice())
    }
    if flow.pointee.sender.scoreboard == 0 {
      flow.pointee.sender.scoreboard = takeScoreboard(flow)
      guard flow.pointee.sender.scoreboard != 0 else { return }
    }
    let board = scoreboards.pointer(flow.pointee.sender.scoreboard)
    board.pointee.update(
      blocks, unacknowledged: flow.pointee.sender.unacknowledged,
      maximum: flow.pointee.sender.maximum)
    guard !board.pointee.isEmpty else { return giveScoreboard(flow) }
    note(
      flow,
      flow.pointee.sender.reported(
        isLost: board.pointee.isLost(segmentSize: UInt32(flow.pointee.sender.segmentSize)),
        highest: board.pointee.highest(or: flow.pointee.sender.unacknowledged), path(of: flow)))
  }

  /// What the congestion window lets out.
  func congestionRoom(_ flow: FlowPointer) -> Int {
    let landed =
      flow.pointee.sender.scoreboard != 0
      ? scoreboards.pointer(flow.pointee.sender.scoreboard).pointee.landed(
        lostFrom: flow.pointee.sender.lostFrom)
      : flow.pointee.sender.landedByDuplicates
    return Int(
      flow.pointee.sender.congestion.room(pipe: flow.pointee.sender.pipe(landed: landed)))
  }
}
