// SPDX-License-Identifier: Apache-2.0
//
// What goes to the guest now: lost segments again, new data as far as the window reaches, FIN,
// or an ACK alone (RFC 9293 §3.8; silly windows RFC 1122 §4.2.3.4).
//
// The link is memory of this machine: until something is lost, nothing is held back within the
// guest's window. Queues that overflow lie behind it (a bridge in the guest, a TAP): from the first
// loss on a congestion window of RFC 5681 limits the flow, until it has outgrown every buffer.
// Data goes as super-frames of up to 64 KiB whatever the MTU; the host cuts them where it must.

import PluginAPI

extension TCPEngine {
  /// Sends all that is due; at the end of a turn.
  func output(_ flow: FlowPointer) {
    switch flow.pointee.state {
    case .closed, .connecting, .detached: return
    case .synSent, .synReceived:
      if flow.pointee.flags.contains(.synDue) { sendSyn(flow) }
    default:
      if flow.pointee.flags.contains(.retransmitDue) { retransmitLost(flow) }
      if flow.pointee.state.isSending { sendData(flow) }
      flow.pointee.flags.remove(.outputDue)
    }
    if flow.pointee.flags.contains(.resetDue) {
      resetWhenSent(flow)
      if flow.pointee.state == .closed { return }
    }
    if flow.pointee.flags.contains(.ackDue) {
      sendAck(flow)
    } else if flow.pointee.flags.contains(.ackDelayed) {
      delayAck(flow)
    }
    armTimer(flow)
  }

  /// Leaves the ACK to the answer, which the host is likely to give at once.
  private func delayAck(_ flow: FlowPointer) {
    if flow.pointee.pendingCount > 0 || flow.pointee.reassembly != 0 {
      sendAck(flow)
    } else if flow.pointee.acknowledgeDeadline == 0 {
      flow.pointee.acknowledgeDeadline = stack.now &+ Self.ackDelay
    }
  }

  private func sendAck(_ flow: FlowPointer) {
    if flow.pointee.state == .synReceived || flow.pointee.state == .synSent { return }
    var copies = 1
    // A guest without SACK counts duplicate ACKs (RFC 5681 §3.2).
    if !flow.pointee.flags.contains(.sackPermitted) {
      copies = max(1, Int(flow.pointee.duplicatesDue))
    }
    flow.pointee.duplicatesDue = 0
    for _ in 0..<copies {
      guard
        sendSegment(flow, sequence: flow.pointee.sendMaximum, length: 0, flags: .ack)
      else { return }
    }
  }

  /// The longest payload of one frame: whole segments below 64 KiB with all headers.
  @inline(__always)
  private func superFrameLimit(_ flow: FlowPointer) -> Int {
    let most = 65535 &- (flow.pointee.key.guest.isV4 ? 20 : 0) &- 20
    let size = Int(flow.pointee.segmentSize)
    return size >= most ? most : most &- most % size
  }

  @inline(__always)
  private func sendData(_ flow: FlowPointer) {
    let limit = superFrameLimit(flow)
    let size = Int(flow.pointee.segmentSize)
    while true {
      let next = flow.pointee.sendNext
      let edge = flow.pointee.sendUnacknowledged &+ flow.pointee.sendWindow
      let unsent = Int(Sequence32.distance(from: next, to: flow.pointee.sendEnd))
      var usable = Int(Sequence32.distance(from: next, to: edge))
      if unsent == 0 { break }
      if flow.pointee.congestion.isLimiting {
        usable = min(usable, congestionRoom(flow))
      }
      // After a timeout: what the guest reported to have is not sent again.
      if flow.pointee.scoreboard != 0, Sequence32.less(next, flow.pointee.sendMaximum),
        let end = ranges.pointer(flow.pointee.scoreboard).pointee.end(ofRangeWith: next)
      {
        flow.pointee.sendNext = end
        continue
      }
      var length = min(unsent, usable, limit)
      let isAll = length == unsent
      if !isAll, length < limit {
        // Cut short by the window: whole segments, unless the window is very small. With
        // nothing in flight it will not grow by itself: what there is of it is used.
        if length >= size {
          length &-= length % size
        } else if usable == 0
          || (usable < Int(flow.pointee.largestSendWindow / 2)
            && next != flow.pointee.sendUnacknowledged)
        {
          probeLater(flow)
          return
        }
      } else if isAll, length > size, flow.pointee.flags.contains(.moreExpected) {
        // The rest of a segment waits for what the next read brings.
        length &-= length % size
      } else if isAll, length < size, flow.pointee.flags.contains(.moreExpected),
        next != flow.pointee.sendUnacknowledged
      {
        return
      }
      if length == 0 {
        probeLater(flow)
        return
      }
      let end = next &+ UInt32(truncatingIfNeeded: length)
      var flags: TCPFlags = end == flow.pointee.sendEnd ? [.ack, .psh] : .ack
      let isLast = end == flow.pointee.sendEnd && flow.pointee.flags.contains(.hostFinished)
      if isLast { flags.insert(.fin) }
      guard sendSegment(flow, sequence: next, length: length, flags: flags) else { return }
      sent(flow, from: next, to: isLast ? end &+ 1 : end)
      if isLast {
        finWasSent(flow)
        return
      }
    }
    sendFinIfDue(flow)
  }

  /// FIN by itself: nothing is left, and it was not sent, or is to be sent again.
  private func sendFinIfDue(_ flow: FlowPointer) {
    guard flow.pointee.flags.contains(.hostFinished),
      flow.pointee.sendNext == flow.pointee.sendEnd
    else { return }
    let sequence = flow.pointee.sendEnd
    guard sendSegment(flow, sequence: sequence, length: 0, flags: [.ack, .fin]) else { return }
    sent(flow, from: sequence, to: sequence &+ 1)
    finWasSent(flow)
  }

  private func finWasSent(_ flow: FlowPointer) {
    guard !flow.pointee.flags.contains(.finSent) else { return }
    flow.pointee.flags.insert(.finSent)
    switch flow.pointee.state {
    case .established: flow.pointee.state = .finWait1
    case .closeWait: flow.pointee.state = .lastAck
    default: break
    }
  }

  /// Accounts for what went out: sequence numbers, timing (Karn), the retransmission timer.
  @inline(__always)
  private func sent(_ flow: FlowPointer, from: UInt32, to end: UInt32) {
    flow.pointee.sendNext = end
    if Sequence32.less(flow.pointee.sendMaximum, end) {
      if flow.pointee.flags.contains(.guestSpoke) {
        flow.pointee.flags.remove(.guestSpoke)
        if flow.pointee.exchanges < Self.exchangesBeforeDelay { flow.pointee.exchanges &+= 1 }
      }
      if from == flow.pointee.sendMaximum, !flow.pointee.flags.contains(.isTiming) {
        flow.pointee.flags.insert(.isTiming)
        flow.pointee.timedSequence = from
        flow.pointee.timedAt = clock
      }
      flow.pointee.sendMaximum = end
    } else {
      counters.retransmits &+= 1
      flow.pointee.flags.remove(.isTiming)
    }
    flow.pointee.flags.remove(.isProbing)
    // A deadline that was set while nothing was in flight is not the retransmission's.
    if flow.pointee.retransmitDeadline == 0 || from == flow.pointee.sendUnacknowledged {
      armRetransmission(flow)
    }
  }

  /// The window is closed or silly. With nothing in flight nobody will wake us: probe.
  private func probeLater(_ flow: FlowPointer) {
    guard flow.pointee.sendNext == flow.pointee.sendUnacknowledged,
      flow.pointee.retransmitDeadline == 0 || !flow.pointee.flags.contains(.isProbing)
    else { return }
    flow.pointee.flags.insert(.isProbing)
    flow.pointee.retransmitDeadline = stack.now &+ retransmitTimeout(flow)
  }

  /// A loss probe: the last segment once more. If the guest lacks what came before it, its answer
  /// reports the hole (RFC 8985 §7.3).
  func probeTail(_ flow: FlowPointer) {
    let length = min(
      Sequence32.distance(from: flow.pointee.sendUnacknowledged, to: flow.pointee.sendEnd),
      UInt32(flow.pointee.segmentSize),
      Sequence32.distance(from: flow.pointee.sendUnacknowledged, to: flow.pointee.sendMaximum))
    let end = Sequence32.min(flow.pointee.sendEnd, flow.pointee.sendMaximum)
    var flags: TCPFlags = [.ack, .psh]
    if flow.pointee.flags.contains(.finSent) { flags.insert(.fin) }
    guard length > 0,
      sendSegment(flow, sequence: end &- length, length: Int(length), flags: flags)
    else { return }
    counters.tailProbes &+= 1
    counters.retransmits &+= 1
    flow.pointee.flags.insert(.tailProbed)
    flow.pointee.flags.remove(.isTiming)
  }

  /// Fast retransmit: the holes before the highest byte the guest reported (RFC 6675 §5), or one
  /// segment when it reports nothing (RFC 6582).
  private func retransmitLost(_ flow: FlowPointer) {
    flow.pointee.flags.remove(.retransmitDue)
    guard flow.pointee.flags.contains(.inRecovery) else { return }
    let size = UInt32(flow.pointee.segmentSize)
    // One for each ACK at least, so that recovery goes on whatever the window.
    var budget = max(1, min(64, congestionRoom(flow) / Int(size)))
    var next = Sequence32.max(
      flow.pointee.retransmitNext, flow.pointee.sendUnacknowledged)
    while budget > 0 {
      var end = Sequence32.min(flow.pointee.sendEnd, flow.pointee.recoveryPoint)
      if flow.pointee.scoreboard != 0 {
        let board = ranges.pointer(flow.pointee.scoreboard)
        if let covered = board.pointee.end(ofRangeWith: next) {
          next = covered
          continue
        }
        if let start = board.pointee.nextStart(after: next) {
          end = Sequence32.min(end, start)
        } else {
          // Nothing was reported after it: the first byte alone is known to be missing.
          guard next == flow.pointee.sendUnacknowledged else { break }
          budget = 1
        }
      } else {
        // Only the first segment is known to be missing.
        guard next == flow.pointee.sendUnacknowledged else { break }
        budget = 1
      }
      var length = min(Sequence32.distance(from: next, to: end), size)
      if length == 0 {
        // Only the FIN can be missing.
        guard flow.pointee.flags.contains(.finSent), next == flow.pointee.sendEnd,
          flow.pointee.scoreboard == 0
        else { break }
        _ = sendSegment(flow, sequence: next, length: 0, flags: [.ack, .fin])
        break
      }
      var flags: TCPFlags = .ack
      if next &+ length == flow.pointee.sendEnd {
        flags.insert(.psh)
        if flow.pointee.flags.contains(.finSent) { flags.insert(.fin) }
      }
      guard sendSegment(flow, sequence: next, length: Int(length), flags: flags) else {
        flow.pointee.flags.insert(.retransmitDue)
        break
      }
      counters.retransmits &+= 1
      if flags.contains(.fin) { length &+= 1 }
      next &+= length
      budget &-= 1
    }
    flow.pointee.retransmitNext = next
    armRetransmission(flow)
  }
}
