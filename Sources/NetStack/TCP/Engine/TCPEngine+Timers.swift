// SPDX-License-Identifier: Apache-2.0
//
// Timers: retransmission (RFC 6298 §5), zero-window probes (RFC 9293 §3.8.6.1), keep-alive (RFC 1122 §4.2.3.6), TIME-WAIT.
//
// A flow has at most one timer. A deadline that moves later, as the retransmission's does with each ACK, does not change
// the timer: it fires early, finds nothing due and is set again. The fast path therefore never touches a timer.

extension TCPEngine {
  /// Maximum number of SYNs, and of retransmissions of data, before the connection ends.
  static let maximumSynAttempts: UInt8 = 6
  static let maximumAttempts: UInt8 = 13
  /// The same for data before a pending RST, and for probes of its closed window: 15 s with short round trips.
  static let maximumResetAttempts: UInt8 = 6
  /// SYNs sent to a guest whose Ethernet address is unknown: 3 s.
  static let maximumARPAttempts: UInt8 = 2
  /// Maximum delay of an ACK, nanoseconds: longer than a service on this host takes to answer, and a fiftieth of the
  /// maximum of RFC 9293 §3.8.6.3.
  static let ackDelay: UInt64 = 10_000_000

  /// Sets the timer if the next deadline is before the timer's.
  @inline(__always)
  func armTimer(_ flow: FlowPointer) {
    let deadline = nextDeadline(flow)
    if flow.pointee.timer != 0, flow.pointee.timerDeadline <= deadline { return }
    setTimer(flow, deadline)
  }

  private func setTimer(_ flow: FlowPointer, _ deadline: UInt64) {
    guard flow.pointee.state != .closed, deadline != .max else { return }
    flow.pointee.timerDeadline = deadline
    if flow.pointee.timer != 0 {
      stack.timers.reschedule(flow.pointee.timer, at: deadline)
    } else {
      flow.pointee.timer = stack.timers.schedule(at: deadline, token: token(of: flow).rawValue)
    }
  }

  @inline(__always)
  private func nextDeadline(_ flow: FlowPointer) -> UInt64 {
    if flow.pointee.acknowledgeDeadline != 0 {
      return flow.pointee.sender.deadline != 0
        ? min(flow.pointee.acknowledgeDeadline, flow.pointee.sender.deadline)
        : flow.pointee.acknowledgeDeadline
    }
    if flow.pointee.sender.deadline != 0 { return flow.pointee.sender.deadline }
    switch flow.pointee.state {
    case .connecting, .synSent, .synReceived, .timeWait, .detached, .closed: return .max
    default: return keepAliveDeadline(flow)
    }
  }

  /// A flow's timer fired.
  func onTimer(_ token: EventToken) {
    guard flows.isTaken(token.index, generation: token.generation) else { return }
    let flow = flows.pointer(token.index)
    flow.pointee.timer = 0
    guard flow.pointee.state != .closed else { return }
    if flow.pointee.acknowledgeDeadline != 0, flow.pointee.acknowledgeDeadline <= stack.now {
      // The answer takes longer than the ACK's delay; the next ones may too, so ACKs are no longer delayed.
      flow.pointee.acknowledgeDeadline = 0
      flow.pointee.receiver.exchanges = 0
      touch(flow, .ackDue)
    }
    if flow.pointee.sender.deadline != 0, flow.pointee.sender.deadline <= stack.now {
      flow.pointee.sender.deadline = 0
      retransmitTimerFired(flow)
    } else if flow.pointee.sender.deadline == 0 {
      keepAliveIfDue(flow)
    }
    if flow.pointee.state != .closed { armTimer(flow) }
  }

  private func retransmitTimerFired(_ flow: FlowPointer) {
    switch flow.pointee.state {
    case .timeWait:
      timeWaitOver(flow)
      return
    case .detached:
      lookAtDetached(flow)
      return
    case .synSent, .synReceived:
      synTimedOut(flow)
      return
    default: break
    }
    if flow.pointee.receiver.hasFinToTake { takeFin(flow) }
    guard flow.pointee.state != .closed, flow.pointee.state != .timeWait else { return }
    if flow.pointee.fd >= 0, !flow.pointee.flags.contains(.hostFinished) { resumeReading(flow) }
    if flow.pointee.sender.flags.contains(.isProbing) {
      probe(flow)
      return
    }
    guard !flow.pointee.sender.isIdle else { return }
    if flow.pointee.sender.flags.contains(.isReorderArmed) {
      reorderTimerFired(flow)
      return
    }
    // A full link does not count as an unanswered attempt.
    if flow.pointee.flags.contains(.isWaiting) {
      flow.pointee.sender.deadline = stack.now &+ flow.pointee.sender.timeout
      return
    }
    if flow.pointee.sender.flags.contains(.isTailArmed) {
      if flow.pointee.sender.probeDue(stack.now) {
        probeTail(flow)
        touch(flow, [])
      } else {
        if flow.pointee.sender.scoreboard != 0 {
          scoreboards.pointer(flow.pointee.sender.scoreboard).pointee.markFirstLost(
            segmentSize: UInt32(flow.pointee.sender.segmentSize))
        }
        touch(flow, .outputDue)
      }
      return
    }
    let most =
      flow.pointee.flags.contains(.resetDue) ? Self.maximumResetAttempts : Self.maximumAttempts
    guard flow.pointee.sender.attempts < most else {
      counters.timedOut &+= 1
      resetGuest(flow)
      return
    }
    counters.timeouts &+= 1
    takeTimeout(flow)
    touch(flow, .outputDue)
  }

  private func synTimedOut(_ flow: FlowPointer) {
    let key = flow.pointee.key
    // A full link does not count as an unanswered attempt.
    if flow.pointee.flags.contains(.isWaiting) || stack.links.pointer(key.link).pointee.isBlocked {
      flow.pointee.sender.deadline = stack.now &+ flow.pointee.sender.timeout
      return
    }
    flow.pointee.sender.attempts &+= 1
    // As in a kernel, the host is unreachable after a number of unanswered ARP requests (RFC 1122 §2.3.2.2).
    let isUnreachable =
      flow.pointee.guestMAC == .zero && flow.pointee.sender.attempts >= Self.maximumARPAttempts
      && stack.neighbor(key.guest, on: key.link) == nil
    guard flow.pointee.sender.attempts < Self.maximumSynAttempts, !isUnreachable else {
      counters.timedOut &+= 1
      forwards.flowFailed(flow.pointee.owner, isUnreachable ? .unreachable : .timedOut)
      abandon(flow)
      return
    }
    sendSyn(flow)
  }

  /// Sends a segment with an old sequence number, which the guest answers with its window. If the guest closed its window
  /// over data in flight, the first segment of that data is sent instead (RFC 1122 §4.2.2.16): the guest may hold data
  /// after it and have no room until it has the first.
  private func probe(_ flow: FlowPointer) {
    guard
      flow.pointee.sender.bufferedCount > 0 || flow.pointee.flags.contains(.hostFinished)
    else {
      flow.pointee.sender.flags.remove(.isProbing)
      return
    }
    // RFC 1122 §4.2.2.17: a connection must stay open while the guest answers probes.
    if flow.pointee.sender.attempts >= Self.maximumAttempts,
      stack.now &- flow.pointee.lastActivity > 120_000_000_000
    {
      counters.timedOut &+= 1
      resetGuest(flow)
      return
    }
    // An RST is pending: no more data comes from the host, so the flow can end.
    if flow.pointee.flags.contains(.resetDue),
      flow.pointee.sender.attempts >= Self.maximumResetAttempts
    {
      counters.timedOut &+= 1
      resetGuest(flow)
      return
    }
    if flow.pointee.sender.attempts < 250 { flow.pointee.sender.attempts &+= 1 }
    flow.pointee.sender.deadline = stack.now &+ min(flow.pointee.sender.timeout, 60_000_000_000)
    if let first = flow.pointee.sender.first {
      counters.retransmits &+= 1
      _ = sendAgain(flow, first, .psh)
    } else {
      _ = sendSegment(
        flow, sequence: flow.pointee.sender.unacknowledged &- 1, length: 0, flags: .ack)
    }
    touch(flow, .outputDue)
  }
}
