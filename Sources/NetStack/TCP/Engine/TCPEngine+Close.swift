// SPDX-License-Identifier: Apache-2.0
//
// How connections end (RFC 9293 §3.6, §3.10.4-7).
//
//   guest's FIN ──► all its bytes in the kernel ──► ACK of it, shutdown(SHUT_WR)
//   end of the socket's data ──► all of it sent ──► FIN to the guest
//   RST from the guest ──► what it sent before, then the socket is closed with a reset
//   an error of the socket ──► what it brought before, then RST to the guest
//
// The socket is closed as soon as both its directions are over, even while the guest still has
// bytes to acknowledge. An RST that finds the link full waits for it, as data does.

import LibC

extension TCPEngine {
  /// The guest's FIN was taken.
  func guestFinished(_ flow: FlowPointer) {
    switch flow.pointee.state {
    case .established, .synReceived: flow.pointee.state = .closeWait
    case .finWait1: flow.pointee.state = .closing
    case .finWait2: enterTimeWait(flow, for: stack.config.timeWait)
    default: break
    }
  }

  /// The guest acknowledged our FIN.
  func ourFinAcknowledged(_ flow: FlowPointer) {
    switch flow.pointee.state {
    case .finWait1: flow.pointee.state = .finWait2
    case .closing: enterTimeWait(flow, for: stack.config.timeWait)
    // The guest's TIME-WAIT; ours only as long as the host still takes its bytes.
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

  /// The ACK of the guest's FIN, before the flow is forgotten.
  private func acknowledgeLast(_ flow: FlowPointer) {
    let window = receiveLimit(flow) >> UInt32(flow.pointee.receiver.windowScale)
    sendControl(
      flow, .ack, sequence: flow.pointee.sender.maximum,
      window: UInt16(truncatingIfNeeded: min(window, 65535)))
  }

  func timeWaitOver(_ flow: FlowPointer) {
    // The host has not taken all of the guest's bytes: it ends when it has.
    if flow.pointee.fd >= 0 {
      flow.pointee.sender.deadline = 0
      return
    }
    close(flow)
  }

  /// Closes the socket when both its directions are over.
  func closeHostIfDone(_ flow: FlowPointer) {
    guard flow.pointee.flags.contains([.hostShut, .hostFinished]), flow.pointee.fd >= 0
    else { return }
    closeSocket(flow, reset: false)
    if flow.pointee.state == .timeWait, flow.pointee.sender.deadline == 0 { close(flow) }
  }

  /// A send said that the host's side has failed. What came from it before lies in the socket
  /// and is read, then the guest is told as TCP tells it.
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
      // The socket stays ready until its end was read.
      readable(flow)
    }
  }

  /// Nothing more can be read from a socket that has failed: the guest gets all that was read, as
  /// far as its window reaches, and then an RST.
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

  /// Ends the flow with a reset both ways; what the guest has not acknowledged is dropped. The
  /// flow is closed when this returns, unless the guest's link is full.
  func resetGuest(_ flow: FlowPointer) {
    switch flow.pointee.state {
    case .closed: return
    case .connecting, .timeWait, .detached: return abandon(flow)
    default: break
    }
    closeSocket(flow, reset: true)
    dropReceived(flow)
    if flow.pointee.sender.table != 0 {
      // Frames that are collected but not sent point into the chunks.
      flush()
      store.releaseAll(&flow.pointee.sender.table)
    }
    giveScoreboard(flow)
    flow.pointee.sender.abandon()
    flow.pointee.flags.subtract([.moreExpected, .hostFinished, .synDue, .ackDue, .ackDelayed])
    flow.pointee.flags.formUnion([.hostFailed, .resetDue])
    resetWhenSent(flow)
  }

  /// Sends the RST that is due once all data is out and no loss is being repaired, and forgets the
  /// flow when the link has taken it.
  func resetWhenSent(_ flow: FlowPointer) {
    guard Sequence32.lessOrEqual(flow.pointee.sender.end, flow.pointee.sender.next),
      flow.pointee.sender.flags.isDisjoint(with: [.inRecovery, .inLoss]),
      !flow.pointee.flags.contains(.isWaiting)
    else { return }
    sendReset(flow, at: flow.pointee.sender.maximum, waits: true)
    flush()
    // The link did not take it, or something before it: once more when it does.
    guard !flow.pointee.flags.contains(.isWaiting) else { return }
    close(flow)
  }

  /// Forgets what the guest sent and the host has not taken.
  private func dropReceived(_ flow: FlowPointer) {
    flow.pointee.receiver.batchHead = -1
    flow.pointee.receiver.batchTail = -1
    giveRanges(flow)
    store.releaseAll(&flow.pointee.receiver.table)
    flow.pointee.receiver.hostNext &+= flow.pointee.receiver.pendingCount
  }

  /// Ends the flow with a reset towards the host, and without a word to the guest.
  func abandon(_ flow: FlowPointer) {
    guard flow.pointee.state != .closed else { return }
    closeSocket(flow, reset: true)
    close(flow)
  }

  /// Forgets the flow. Its slot is given back at the end of the iteration.
  func close(_ flow: FlowPointer) {
    guard flow.pointee.state != .closed else { return }
    if flow.pointee.state == .timeWait { timeWaitCount &-= 1 }
    closeSocket(flow, reset: false)
    table.remove(index(of: flow))
    leaveShare(flow)
    flow.pointee.state = .closed
    stack.timers.cancel(flow.pointee.timer)
    flow.pointee.timer = 0
    // Frames that are collected but not sent point into the chunks.
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

  /// Tells the forward that the connection came by that it is over.
  func endOwnership(_ flow: FlowPointer) {
    guard flow.pointee.owner != 0 else { return }
    if flow.pointee.fd >= 0 { forwards.socketClosed(flow.pointee.owner) }
    forwards.flowClosed(flow.pointee.owner)
    flow.pointee.owner = 0
  }

  /// Closes the socket of a flow, if it has one.
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

  /// Closes a socket when the iteration ends; with `reset` at once (its descriptor may be needed), and its
  /// peer gets an RST, whatever it still had to read.
  func closeDescriptor(_ fd: Int32, reset: Bool, resetsOnClose: Bool = false) {
    guard reset else { return closeLater(fd, resetsOnClose: resetsOnClose) }
    if !resetsOnClose { stack.calls.setResetOnClose(fd, true) }
    _ = stack.calls.close(stack.calls.context, fd)
  }
}
