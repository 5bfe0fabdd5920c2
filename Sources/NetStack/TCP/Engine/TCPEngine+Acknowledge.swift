// SPDX-License-Identifier: Apache-2.0
//
// The acknowledgement of a segment (RFC 9293 §3.10.7.4, fifth): TCPSender processes it; this file applies the consequences
// for the buffered bytes, the host socket and the connection's state. SACK blocks: TCPEngine+Reports.

import Wire

extension TCPEngine {
  /// Processes the acknowledgement and the window of a segment. False if the segment must be dropped, or the flow was
  /// closed.
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
    let window = UInt32(segment.window) << UInt32(flow.pointee.sender.windowScale)
    let changesNothing =
      ack == flow.pointee.sender.unacknowledged && segment.payload.count == 0
      && !segment.flags.contains(.fin) && window == flow.pointee.sender.window
    let isDuplicate = changesNothing && !flow.pointee.sender.isIdle
    // A segment without options reports nothing about loss, unless earlier ones left marks or a probe is outstanding.
    let isReport =
      segment.packet.headerLength > TCPHeader.minimumLength
      || !flow.pointee.sender.flags.isDisjoint(with: [.isMarked, .tailProbed])
    if isReport { takeReport(flow, segment, changesNothing: changesNothing) }
    note(
      flow,
      flow.pointee.sender.updateWindow(window, sequence: segment.sequence, acknowledgement: ack))
    if ack != flow.pointee.sender.unacknowledged {
      advance(flow, to: ack)
    } else if isDuplicate {
      note(flow, flow.pointee.sender.duplicate(path(of: flow)))
    }
    if isReport, flow.pointee.state != .closed { detectLoss(flow) }
    return flow.pointee.state != .closed
  }

  /// The path's properties for the congestion control.
  @inline(__always)
  func path(of flow: FlowPointer) -> CongestionPath {
    CongestionPath(
      segmentSize: UInt32(flow.pointee.sender.segmentSize),
      buffer: UInt32(clamping: stack.config.sendBuffer),
      roundTrip: flow.pointee.sender.rtt.smoothed, now: stack.now)
  }

  @inline(__always)
  func note(_ flow: FlowPointer, _ outcome: TCPSender.Outcome) {
    guard !outcome.isEmpty else { return }
    if outcome.contains(.undone) {
      counters.spuriousTimeouts &+= 1
      if flow.pointee.sender.scoreboard != 0 {
        scoreboards.pointer(flow.pointee.sender.scoreboard).pointee.forgetLosses()
      }
    }
    if outcome.contains(.recovering) { counters.lossRecoveries &+= 1 }
    if outcome.contains(.outputDue) { touch(flow, .outputDue) }
  }

  /// Processes an acknowledgement of new bytes.
  @inline(__always)
  private func advance(_ flow: FlowPointer, to ack: UInt32) {
    let from = flow.pointee.sender.unacknowledged
    let end = flow.pointee.sender.end
    // The FIN follows the data and is no byte of it.
    let finAcknowledged =
      flow.pointee.sender.flags.contains(.finSent) && Sequence32.less(end, ack)
    let dataEnd = finAcknowledged ? end : ack
    let landed = flow.pointee.sender.flags.contains(.isMarked) ? landed(flow) : 0
    note(
      flow,
      flow.pointee.sender.advance(to: ack, dataEnd: dataEnd, landed: landed, path(of: flow)))
    store.release(&flow.pointee.sender.table, from: from, to: dataEnd, isLast: dataEnd == end)
    counters.bytesToGuest &+= UInt64(dataEnd &- from)
    if flow.pointee.sender.scoreboard != 0, flow.pointee.sender.isIdle { giveScoreboard(flow) }
    if finAcknowledged { ourFinAcknowledged(flow) }
    if flow.pointee.state != .closed {
      if !flow.pointee.flags.contains(.hostFinished) { resumeReading(flow) }
      touch(flow, .outputDue)
    }
  }
}
