// SPDX-License-Identifier: Apache-2.0
//
// What a segment acknowledges: RFC 9293 §3.10.7.4 (fifth), RFC 5961 §5, round-trip times
// (RFC 6298), SACK and the detection of loss (RFC 2018, RFC 6675, RFC 6582).

import PluginAPI

extension TCPEngine {
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
      takeSACK(flow, segment.packet.options.sackBlocks)
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
      sampleRTT(flow, nanoseconds: stack.now &- flow.pointee.timedAt)
    }
    flow.pointee.attempts = 0
    flow.pointee.duplicateAcks = 0
    flow.pointee.flags.remove(.isProbing)
    flow.pointee.retransmitDeadline =
      flow.pointee.sendMaximum == ack ? 0 : stack.now &+ retransmitTimeout(flow)

    if flow.pointee.scoreboard != 0 {
      let board = ranges.pointer(flow.pointee.scoreboard)
      board.pointee.removeBefore(ack)
      if board.pointee.count == 0 { dropScoreboard(flow) }
    }
    if flow.pointee.flags.contains(.inLoss) {
      if Sequence32.less(ack, flow.pointee.recoveryPoint) {
        flow.pointee.lossWindow = min(flow.pointee.lossWindow &* 2, 1 << 24)
      } else {
        flow.pointee.flags.remove(.inLoss)
      }
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
    guard !flow.pointee.flags.contains(.inRecovery) else {
      if flow.pointee.scoreboard != 0 { touch(flow, [.outputDue, .retransmitDue]) }
      return
    }
    if flow.pointee.duplicateAcks >= 3 { enterRecovery(flow) }
  }

  /// Something before what the guest reported is lost.
  private func enterRecovery(_ flow: FlowPointer) {
    guard !flow.pointee.flags.contains(.inLoss) else { return }
    flow.pointee.recoveryPoint = flow.pointee.sendMaximum
    flow.pointee.retransmitNext = flow.pointee.sendUnacknowledged
    // Karn: what is sent again cannot be timed.
    flow.pointee.flags.remove(.isTiming)
    touch(flow, [.inRecovery, .retransmitDue, .outputDue])
  }

  // MARK: SACK

  private func takeSACK(_ flow: FlowPointer, _ blocks: SACKBlocks) {
    guard !blocks.isEmpty else { return }
    let low = flow.pointee.sendUnacknowledged
    let high = flow.pointee.sendMaximum
    if flow.pointee.scoreboard == 0 {
      flow.pointee.scoreboard = ranges.insert(SequenceRanges())
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
      dropScoreboard(flow)
    } else if !flow.pointee.flags.contains(.inRecovery),
      board.pointee.byteCount > UInt32(flow.pointee.segmentSize) &* 3
    {
      // RFC 6675 §4, IsLost: more than three segments' worth arrived after the hole.
      enterRecovery(flow)
    } else if flow.pointee.flags.contains(.inRecovery) {
      touch(flow, [.retransmitDue, .outputDue])
    }
  }

  func dropScoreboard(_ flow: FlowPointer) {
    ranges.remove(flow.pointee.scoreboard)
    flow.pointee.scoreboard = 0
  }

  // MARK: Round-trip time

  /// RFC 6298 §2.
  private func sampleRTT(_ flow: FlowPointer, nanoseconds: UInt64) {
    let sample = UInt32(truncatingIfNeeded: min(nanoseconds / 1000, 60_000_000))
    if flow.pointee.smoothedRTT == 0 {
      flow.pointee.smoothedRTT = max(1, sample)
      flow.pointee.rttVariance = sample / 2
    } else {
      let smoothed = flow.pointee.smoothedRTT
      let difference = smoothed > sample ? smoothed &- sample : sample &- smoothed
      flow.pointee.rttVariance = flow.pointee.rttVariance / 4 &* 3 &+ difference / 4
      flow.pointee.smoothedRTT = max(1, smoothed / 8 &* 7 &+ sample / 8)
    }
  }

  /// The RTO in nanoseconds, backed off by `attempts`. The bounds are Linux's: 200 ms (RFC 6298
  /// §2.4 says 1 s, for links far longer than this one) to 120 s.
  func retransmitTimeout(_ flow: FlowPointer) -> UInt64 {
    let base: UInt64 =
      flow.pointee.smoothedRTT == 0
      ? 1_000_000
      : UInt64(flow.pointee.smoothedRTT) &+ max(1000, UInt64(flow.pointee.rttVariance) &* 4)
    let bounded = max(200_000, min(base, 60_000_000))
    let shift = min(UInt64(flow.pointee.attempts), 10)
    return min(bounded << shift, 120_000_000) &* 1000
  }
}
