// SPDX-License-Identifier: Apache-2.0
//
// A guest that leaves a connection: by a reset, or with its link. What it sent, and was told to have
// arrived, still goes to the host's side, as it would lie in the receiver's own buffer if no gateway
// were between. Then the socket is closed: in order when the guest had said all (its FIN) and
// had heard all, otherwise by a reset, so that half a transfer does not look like a whole one.
//
// Meanwhile the flow is `detached`: no packet finds it, it has no link, and the guest may use its
// port again. It ends when the host's kernel has sent what it took (a reset would drop that), or
// has made no headway for `patience`. It counts among its guest's flows until then.

import LibC

extension TCPEngine {
  /// How long a host that takes nothing is waited for, nanoseconds.
  private static let patience: UInt64 = 60_000_000_000
  /// How often the kernel is asked whether it has sent all, and at most how many times.
  private static let lookInterval: UInt64 = 100_000_000
  private static let maximumLooks: UInt8 = 100

  /// A guest's RST was accepted.
  func guestReset(_ flow: FlowPointer) { leave(flow, inOrder: false) }

  /// The guest's link is gone.
  func guestLeft(_ flow: FlowPointer, _ departure: inout Departure) {
    guard flow.pointee.state != .detached else { return }
    // Without a socket it costs nothing.
    if flow.pointee.fd >= 0, !departure.endsNow() {
      return leaveLater(flow, after: departure.delay())
    }
    leave(flow, inOrder: hasSaidAll(flow))
  }

  /// Whether the guest had said and heard all. Its FIN is taken: nobody is there to hear that it was.
  private func hasSaidAll(_ flow: FlowPointer) -> Bool {
    if flow.pointee.receiver.hasFinToTake { flow.pointee.receiver.takeFin() }
    return flow.pointee.receiver.flags.contains(.finTaken) && flow.pointee.sender.bufferedCount == 0
  }

  /// No packet finds it any more. Its socket is looked at when its time comes or something happens there,
  /// and is as it was until then.
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

  /// - Parameter delay: until it is looked at, nanoseconds.
  private func detach(_ flow: FlowPointer, for delay: UInt64) {
    if flow.pointee.state == .timeWait { timeWaitCount &-= 1 }
    table.remove(index(of: flow))
    flow.pointee.key.link = 0
    flow.pointee.state = .detached
    if flow.pointee.sender.table != 0 {
      // Frames that are collected but not sent point into the chunks.
      flush()
      store.releaseAll(&flow.pointee.sender.table)
    }
    giveScoreboard(flow)
    // What is missing never comes.
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

  /// The host's kernel has room for what a detached flow holds, or has failed.
  func continueDetached(_ flow: FlowPointer) {
    let before = flow.pointee.receiver.hostNext
    sendPending(flow)
    guard flow.pointee.state == .detached else { return }
    if flow.pointee.receiver.hostNext != before { flow.pointee.lastActivity = stack.now }
    if flow.pointee.receiver.pendingCount == 0, !mustWait(flow) { return end(flow) }
    setInterest(flow, flow.pointee.interest.intersection(.write))
  }

  /// The timer of a detached flow.
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

  /// Whether closing the socket now would drop what the kernel took.
  private func mustWait(_ flow: FlowPointer) -> Bool {
    !flow.pointee.flags.contains(.endsInOrder)
      && TCPInfo.unsentBytes(flow.pointee.fd, stack.calls) > 0
  }

  private func end(_ flow: FlowPointer) {
    guard flow.pointee.flags.contains(.endsInOrder) else { return abandon(flow) }
    close(flow)
  }
}

/// What Linux tells of a TCP socket (TCP_INFO).
enum TCPInfo {
  /// Of tcpi_notsent_bytes (linux/tcp.h, since Linux 4.6).
  static let unsentOffset = 144
  private static let size = 160

  /// Bytes that the kernel took and that are not on their way; 0 where it does not say.
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
