// SPDX-License-Identifier: Apache-2.0
//
// Connections whose guest is gone, by an RST or because its link was removed. Bytes that the guest sent and that were
// acknowledged are still delivered to the host. Then the socket is closed: in order if both directions had ended with a
// FIN, otherwise by a reset, so that the peer does not take a partial transfer for a complete one.
//
// Meanwhile the flow is `detached`: it is not in the table of flows, has no link, and the guest may reuse its port number.
// It ends when the host's kernel has sent all it took (a reset would drop those bytes), or has made no progress for
// `patience`. It counts against its guest's share until then.

import LibC

extension TCPEngine {
  /// How long a flow stays without progress of the host, nanoseconds.
  private static let patience: UInt64 = 60_000_000_000
  /// Interval at which the kernel's unsent bytes are queried, nanoseconds, and the maximum number of queries.
  private static let lookInterval: UInt64 = 100_000_000
  private static let maximumLooks: UInt8 = 100

  /// An acceptable RST of the guest was received.
  func guestReset(_ flow: FlowPointer) { leave(flow, inOrder: false) }

  /// The guest's link was removed.
  func guestLeft(_ flow: FlowPointer, _ departure: inout Departure) {
    guard flow.pointee.state != .detached else { return }
    // A flow without a socket costs nothing.
    if flow.pointee.fd >= 0, !departure.endsNow() {
      return leaveLater(flow, after: departure.delay())
    }
    leave(flow, inOrder: hasSaidAll(flow))
  }

  /// Whether both directions have ended. The guest's FIN counts as received: its acknowledgement would reach no one.
  private func hasSaidAll(_ flow: FlowPointer) -> Bool {
    if flow.pointee.receiver.hasFinToTake { flow.pointee.receiver.takeFin() }
    return flow.pointee.receiver.flags.contains(.finTaken) && flow.pointee.sender.bufferedCount == 0
  }

  /// Removes the flow from the table of flows. Its socket keeps its state, and is handled when it has an event or `delay`
  /// nanoseconds have passed.
  private func leaveLater(_ flow: FlowPointer, after delay: UInt64) {
    if hasSaidAll(flow) { flow.pointee.flags.insert(.endsInOrder) }
    detach(flow, for: delay)
  }

  private func leave(_ flow: FlowPointer, inOrder: Bool) {
    switch flow.pointee.state {
    case .closed, .detached: return
    case .connecting, .synSent, .synReceived: return abandon(flow)
    default: break
    }
    if flow.pointee.receiver.pendingCount > 0, !flow.pointee.interest.contains(.write) {
      sendPending(flow)
    }
    guard flow.pointee.fd >= 0, !flow.pointee.flags.contains(.hostFailed) else {
      return abandon(flow)
    }
    if inOrder { flow.pointee.flags.insert(.endsInOrder) }
    guard flow.pointee.receiver.pendingCount > 0 || mustWait(flow) else { return end(flow) }
    detach(flow, for: Self.lookInterval)
    setInterest(flow, flow.pointee.interest.intersection(.write))
  }

  /// - Parameter delay: time until the flow is checked, nanoseconds.
  private func detach(_ flow: FlowPointer, for delay: UInt64) {
    if flow.pointee.state == .timeWait { timeWaitCount &-= 1 }
    table.remove(index(of: flow))
    flow.pointee.key.link = 0
    flow.pointee.state = .detached
    if flow.pointee.sender.table != 0 {
      // Frames queued in this iteration point into the flow's chunks.
      flush()
      store.releaseAll(&flow.pointee.sender.table)
    }
    giveScoreboard(flow)
    // Missing bytes before these will never arrive.
    giveRanges(flow)
    endOwnership(flow)
    flow.pointee.flags.subtract([.ackDue, .ackDelayed, .synDue])
    flow.pointee.sender.flags.remove(.retransmitDue)
    flow.pointee.acknowledgeDeadline = 0
    flow.pointee.sender.attempts = 0
    flow.pointee.lastActivity = stack.now
    flow.pointee.sender.deadline = stack.now &+ delay
    armTimer(flow)
  }

  /// The host socket of a detached flow is writable, or has failed.
  func continueDetached(_ flow: FlowPointer) {
    let before = flow.pointee.receiver.hostNext
    sendPending(flow)
    guard flow.pointee.state == .detached else { return }
    if flow.pointee.receiver.hostNext != before { flow.pointee.lastActivity = stack.now }
    if flow.pointee.receiver.pendingCount == 0, !mustWait(flow) { return end(flow) }
    setInterest(flow, flow.pointee.interest.intersection(.write))
  }

  /// The timer of a detached flow fired.
  func lookAtDetached(_ flow: FlowPointer) {
    if flow.pointee.receiver.pendingCount > 0, !flow.pointee.interest.contains(.write) {
      continueDetached(flow)
      guard flow.pointee.state == .detached else { return }
    }
    if flow.pointee.receiver.pendingCount > 0 {
      if stack.now &- flow.pointee.lastActivity > Self.patience { return abandon(flow) }
    } else {
      flow.pointee.sender.attempts &+= 1
      if flow.pointee.sender.attempts > Self.maximumLooks || !mustWait(flow) { return end(flow) }
    }
    flow.pointee.sender.deadline = stack.now &+ Self.lookInterval
  }

  /// Whether a close would drop bytes that the kernel has taken and not sent.
  private func mustWait(_ flow: FlowPointer) -> Bool {
    !flow.pointee.flags.contains(.endsInOrder)
      && TCPInfo.unsentBytes(flow.pointee.fd, stack.calls) > 0
  }

  private func end(_ flow: FlowPointer) {
    guard flow.pointee.flags.contains(.endsInOrder) else { return abandon(flow) }
    close(flow)
  }
}

/// Fields of Linux's TCP_INFO.
enum TCPInfo {
  /// Offset of tcpi_notsent_bytes (linux/tcp.h, since Linux 4.6).
  static let unsentOffset = 144
  private static let size = 160

  /// Bytes that the kernel has taken and not sent; 0 where it does not report them.
  static func unsentBytes(_ fd: Int32, _ calls: SocketCalls) -> Int {
    #if os(Linux)
      withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { info in
        guard let base = info.baseAddress else { return 0 }
        var length = UInt32(size)
        let result = calls.getOption(
          calls.context, fd, Int32(IPPROTO_TCP.self), TCP_INFO, base, &length)
        guard result >= 0, Int(length) >= unsentOffset + 4 else { return 0 }
        return Int(base.load(fromByteOffset: unsentOffset, as: UInt32.self))
      }
    #else
      return 0
    #endif
  }
}
