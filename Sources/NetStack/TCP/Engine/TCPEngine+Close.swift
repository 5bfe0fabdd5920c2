// SPDX-License-Identifier: Apache-2.0
//
// How connections end (RFC 9293 §3.6, §3.10.4-7).
//
//   FIN of the guest ──► all its bytes are in the kernel ──► ACK of the FIN, shutdown(SHUT_WR)
//   end of the host socket's data ──► all of it is sent ──► FIN to the guest
//   RST of the guest ──► bytes received before it are sent, then the socket is closed with a reset
//   error of the host socket ──► bytes read before it are sent, then RST to the guest
//
// The host socket is closed when both of its directions have ended, even if the guest has yet to acknowledge bytes. An RST
// that the link does not take is sent later, as data is.

import LibC

extension TCPEngine {
  /// The guest's FIN was received in order.
  func guestFinished(_ flow: FlowPointer) {
    switch flow.pointee.state {
    case .established, .synReceived: flow.pointee.state = .closeWait
    case .finWait1: flow.pointee.state = .closing
    case .finWait2: enterTimeWait(flow, for: stack.config.timeWait)
    default: break
    }
  }

  /// The guest acknowledged the FIN sent to it.
  func ourFinAcknowledged(_ flow: FlowPointer) {
    switch flow.pointee.state {
    case .finWait1: flow.pointee.state = .finWait2
    case .closing: enterTimeWait(flow, for: stack.config.timeWait)
    // TIME-WAIT is the guest's; the flow stays only until the host has taken all of its bytes.
    case .lastAck: enterTimeWait(flow, for: 0)
    default: break
    }
  }

  private func enterTimeWait(_ flow: FlowPointer, for duration: UInt64) {
    store.releaseAll(&flow.pointee.sender.table)
    guard duration > 0 && timeWaitCount < stack.config.maximumTimeWait || flow.pointee.fd >= 0
    else {
      if flow.pointee.flags.contains(.ackDue) { acknowledgeLast(flow) }
      close(flow)
      return
    }
    flow.pointee.state = .timeWait
    timeWaitCount &+= 1
    flow.pointee.sender.deadline = stack.now &+ max(1, duration)
    armTimer(flow)
  }

  /// Sends the ACK of the guest's FIN before the flow is removed.
  private func acknowledgeLast(_ flow: FlowPointer) {
    let window = receiveLimit(flow) >> UInt32(flow.pointee.receiver.windowScale)
    sendControl(
      flow, .ack, sequence: flow.pointee.sender.maximum,
      window: UInt16(truncatingIfNeeded: min(window, 65535)))
  }

  func timeWaitOver(_ flow: FlowPointer) {
    // The flow ends when the host has taken the rest of the guest's bytes.
    if flow.pointee.fd >= 0 {
      flow.pointee.sender.deadline = 0
      return
    }
    close(flow)
  }

  /// Closes the host socket if both of its directions have ended.
  func closeHostIfDone(_ flow: FlowPointer) {
    guard flow.pointee.flags.contains([.hostShut, .hostFinished]), flow.pointee.fd >= 0
    else { return }
    closeSocket(flow, reset: false)
    if flow.pointee.state == .timeWait, flow.pointee.sender.deadline == 0 { close(flow) }
  }

  /// A send to the host socket failed. Bytes that the host sent before the failure are still in the socket: they are read
  /// and sent to the guest before the failure is.
  func hostFailed(_ flow: FlowPointer) {
    guard flow.pointee.state != .detached else { return abandon(flow) }
    guard !flow.pointee.flags.contains(.hostFailed) else { return }
    counters.resetByHost &+= 1
    flow.pointee.flags.insert(.hostFailed)
    dropReceived(flow)
    setInterest(flow, .read)
    if flow.pointee.flags.contains(.hostFinished) {
      resetAfterData(flow)
    } else {
      // The socket stays readable until its end has been read.
      readable(flow)
    }
  }

  /// Nothing more can be read from a failed host socket: the guest gets all bytes read before, as its window allows, and
  /// then an RST.
  func resetAfterData(_ flow: FlowPointer) {
    if !flow.pointee.flags.contains(.hostFailed) { counters.resetByHost &+= 1 }
    guard flow.pointee.state != .timeWait, flow.pointee.state != .detached else {
      return abandon(flow)
    }
    closeSocket(flow, reset: true)
    dropReceived(flow)
    flow.pointee.flags.formUnion([.hostFailed, .resetDue])
    flow.pointee.flags.remove(.moreExpected)
    touch(flow, .outputDue)
  }

  /// Ends the flow with resets in both directions and drops bytes that the guest has not acknowledged. The flow is closed
  /// on return, unless the guest's link is full.
  func resetGuest(_ flow: FlowPointer) {
    switch flow.pointee.state {
    case .closed: return
    case .connecting, .timeWait, .detached: return abandon(flow)
    default: break
    }
    closeSocket(flow, reset: true)
    dropReceived(flow)
    if flow.pointee.sender.table != 0 {
      // Frames queued in this iteration point into the flow's chunks.
      flush()
      store.releaseAll(&flow.pointee.sender.table)
    }
    giveScoreboard(flow)
    flow.pointee.sender.abandon()
    flow.pointee.flags.subtract([.moreExpected, .hostFinished, .synDue, .ackDue, .ackDelayed])
    flow.pointee.flags.formUnion([.hostFailed, .resetDue])
    resetWhenSent(flow)
  }

  /// Sends a pending RST once all data is sent and no loss recovery is in progress, and closes the flow when the link has
  /// taken the RST.
  func resetWhenSent(_ flow: FlowPointer) {
    guard Sequence32.lessOrEqual(flow.pointee.sender.end, flow.pointee.sender.next),
      flow.pointee.sender.flags.isDisjoint(with: [.inRecovery, .inLoss]),
      !flow.pointee.flags.contains(.isWaiting)
    else { return }
    sendReset(flow, at: flow.pointee.sender.maximum, waits: true)
    flush()
    // The link did not take the RST, or a frame before it: retried when the link has room.
    guard !flow.pointee.flags.contains(.isWaiting) else { return }
    close(flow)
  }

  /// Drops bytes from the guest that the host has not taken.
  private func dropReceived(_ flow: FlowPointer) {
    flow.pointee.receiver.batchHead = -1
    flow.pointee.receiver.batchTail = -1
    giveRanges(flow)
    store.releaseAll(&flow.pointee.receiver.table)
    flow.pointee.receiver.hostNext &+= flow.pointee.receiver.pendingCount
  }

  /// Ends the flow with a reset towards the host only; the guest is sent nothing.
  func abandon(_ flow: FlowPointer) {
    guard flow.pointee.state != .closed else { return }
    closeSocket(flow, reset: true)
    close(flow)
  }

  /// Removes the flow. Its slot is freed at the end of the iteration.
  func close(_ flow: FlowPointer) {
    guard flow.pointee.state != .closed else { return }
    if flow.pointee.state == .timeWait { timeWaitCount &-= 1 }
    closeSocket(flow, reset: false)
    table.remove(index(of: flow))
    leaveShare(flow)
    flow.pointee.state = .closed
    stack.timers.cancel(flow.pointee.timer)
    flow.pointee.timer = 0
    // Frames queued in this iteration point into the flow's chunks.
    if flow.pointee.sender.table != 0 {
      flush()
      store.releaseAll(&flow.pointee.sender.table)
    }
    store.releaseAll(&flow.pointee.receiver.table)
    giveRanges(flow)
    giveScoreboard(flow)
    flow.pointee.receiver.batchHead = -1
    flow.pointee.receiver.batchTail = -1
    endOwnership(flow)
    touch(flow, [])
  }

  /// Notifies the forward that opened the connection of its end.
  func endOwnership(_ flow: FlowPointer) {
    guard flow.pointee.owner != 0 else { return }
    if flow.pointee.fd >= 0 { forwards.socketClosed(flow.pointee.owner) }
    forwards.flowClosed(flow.pointee.owner)
    flow.pointee.owner = 0
  }

  /// Closes the flow's host socket, if any.
  private func closeSocket(_ flow: FlowPointer, reset: Bool) {
    guard flow.pointee.fd >= 0 else { return }
    if flow.pointee.owner != 0 { forwards.socketClosed(flow.pointee.owner) }
    stack.host.unwatch(flow.pointee.watch)
    flow.pointee.watch = 0
    flow.pointee.interest = []
    closeDescriptor(
      flow.pointee.fd, reset: reset, resetsOnClose: flow.pointee.flags.contains(.resetsOnClose))
    flow.pointee.flags.remove(.resetsOnClose)
    flow.pointee.fd = -1
    socketCount &-= 1
    leaveDestination(flow)
  }

  /// Closes a host socket at the end of the iteration. With `reset` it is closed at once (its descriptor may be needed),
  /// and the peer gets an RST, regardless of unread bytes.
  func closeDescriptor(_ fd: Int32, reset: Bool, resetsOnClose: Bool = false) {
    guard reset else { return closeLater(fd, resetsOnClose: resetsOnClose) }
    if !resetsOnClose { stack.calls.setResetOnClose(fd, true) }
    _ = stack.calls.close(stack.calls.context, fd)
  }
}
