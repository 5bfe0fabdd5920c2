// SPDX-License-Identifier: Apache-2.0
//
// Output to the guest: retransmissions (TCPEngine+Reports), new data as the window allows, FIN, or a pure ACK (RFC 9293
// §3.8; silly window syndrome: RFC 1122 §4.2.3.4).
//
// The link is memory of the same machine, so until the first loss only the guest's window limits the sender. Queues that
// overflow are behind the link (a bridge in the guest, a TAP): after a loss a congestion window (RFC 5681) limits the flow,
// until it exceeds the buffer. Data leaves in GSO frames of up to 64 KiB at any MTU; the host segments them where the link
// needs it.

import Wire

extension TCPEngine {
  /// Sends everything that is due. Called at the end of an iteration.
  func output(_ flow: FlowPointer) {
    switch flow.pointee.state {
    case .closed, .connecting, .detached: return
    case .synSent, .synReceived:
      if flow.pointee.flags.contains(.synDue) { sendSyn(flow) }
    default:
      if flow.pointee.sender.flags.contains(.retransmitDue) { retransmitLost(flow) }
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

  /// Delays the ACK, so that it can go with the host's answer.
  private func delayAck(_ flow: FlowPointer) {
    if flow.pointee.receiver.pendingCount > 0 || flow.pointee.receiver.reassembly != 0 {
      sendAck(flow)
    } else if flow.pointee.acknowledgeDeadline == 0 {
      flow.pointee.acknowledgeDeadline = stack.now &+ Self.ackDelay
    }
  }

  private func sendAck(_ flow: FlowPointer) {
    if flow.pointee.state == .synReceived || flow.pointee.state == .synSent { return }
    var copies = 1
    // A guest without SACK counts duplicate ACKs (RFC 5681 §3.2): each out-of-order segment needs one.
    if !flow.pointee.sender.flags.contains(.sackPermitted) {
      copies = max(1, Int(flow.pointee.receiver.duplicatesDue))
    }
    flow.pointee.receiver.duplicatesDue = 0
    for _ in 0..<copies {
      guard
        sendSegment(flow, sequence: flow.pointee.sender.maximum, length: 0, flags: .ack)
      else { return }
    }
  }

  /// The longest payload of a GSO frame: whole segments that with all headers are below 64 KiB.
  @inline(__always)
  private func superFrameLimit(_ flow: FlowPointer) -> Int {
    let most = 65535 &- Self.headers(isV4: flow.pointee.key.guest.isV4)
    let size = Int(flow.pointee.sender.segmentSize)
    return size >= most ? most : most &- most % size
  }

  @inline(__always)
  private func sendData(_ flow: FlowPointer) {
    let limit = superFrameLimit(flow)
    while true {
      let next = flow.pointee.sender.next
      let room = flow.pointee.sender.congestion.isLimiting ? congestionRoom(flow) : .max
      let length: Int
      switch flow.pointee.sender.decide(
        room: room, limit: limit, moreExpected: flow.pointee.flags.contains(.moreExpected))
      {
      case .finished: return sendFinIfDue(flow)
      case .wait: return
      case .windowClosed: return flow.pointee.sender.probeLater(stack.now)
      case .send(let bytes): length = bytes
      }
      let end = next &+ UInt32(truncatingIfNeeded: length)
      var flags: TCPFlags = end == flow.pointee.sender.end ? [.ack, .psh] : .ack
      let isLast = end == flow.pointee.sender.end && flow.pointee.flags.contains(.hostFinished)
      if isLast { flags.insert(.fin) }
      guard sendSegment(flow, sequence: next, length: length, flags: flags) else { return }
      sent(flow, from: next, to: isLast ? end &+ 1 : end)
      if isLast {
        finWasSent(flow)
        return
      }
    }
  }

  /// Sends a FIN without data if all data is sent and the FIN is unsent or must be retransmitted.
  private func sendFinIfDue(_ flow: FlowPointer) {
    guard flow.pointee.flags.contains(.hostFinished),
      flow.pointee.sender.next == flow.pointee.sender.end
    else { return }
    let sequence = flow.pointee.sender.end
    guard sendSegment(flow, sequence: sequence, length: 0, flags: [.ack, .fin]) else { return }
    sent(flow, from: sequence, to: sequence &+ 1)
    finWasSent(flow)
  }

  private func finWasSent(_ flow: FlowPointer) {
    guard !flow.pointee.sender.flags.contains(.finSent) else { return }
    flow.pointee.sender.flags.insert(.finSent)
    switch flow.pointee.state {
    case .established: flow.pointee.state = .finWait1
    case .closeWait: flow.pointee.state = .lastAck
    default: break
    }
  }

  /// Updates the sender after a segment was sent.
  @inline(__always)
  private func sent(_ flow: FlowPointer, from: UInt32, to end: UInt32) {
    if flow.pointee.sender.flags.contains(.sackPermitted) { noteSent(flow, from: from, to: end) }
    if flow.pointee.sender.sent(from: from, to: end, stack.now) {
      flow.pointee.receiver.answered()
    } else {
      counters.retransmits &+= 1
    }
  }

  /// Sends a loss probe (RFC 8985 §7.3); the RTO follows it. The guest's answer reports whether earlier segments are
  /// missing.
  func probeTail(_ flow: FlowPointer) {
    guard let (piece, isNew) = flow.pointee.sender.probePiece, sendAgain(flow, piece, .psh) else {
      return
    }
    counters.tailProbes &+= 1
    if isNew {
      sent(flow, from: piece.sequence, to: piece.end)
    } else {
      counters.retransmits &+= 1
      flow.pointee.sender.flags.remove(.isTiming)
      noteSentAgain(flow, piece)
    }
    flow.pointee.sender.probe.sent(
      end: flow.pointee.sender.maximum, isRetransmission: !isNew)
    flow.pointee.sender.flags.insert(.tailProbed)
  }

  func sendAgain(_ flow: FlowPointer, _ piece: TCPSender.Piece, _ flags: TCPFlags = []) -> Bool {
    var flags = flags.union(.ack)
    if piece.hasFin { flags.insert(.fin) }
    return sendSegment(flow, sequence: piece.sequence, length: Int(piece.length), flags: flags)
  }
}
