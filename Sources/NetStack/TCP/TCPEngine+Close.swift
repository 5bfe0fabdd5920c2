// SPDX-License-Identifier: Apache-2.0
//
// How connections end (RFC 9293 §3.6, §3.10.4-7).
//
//   guest's FIN ──► all its bytes in the kernel ──► shutdown(SHUT_WR)
//   end of the socket's data ──► all of it sent ──► FIN to the guest
//   RST from the guest ──► the socket is closed with a reset (SO_LINGER 0)
//   an error of the socket ──► RST to the guest
//
// The socket is closed as soon as both its directions are over, even while the guest still has
// bytes to acknowledge.

import PluginAPI

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

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
    store.releaseAll(&flow.pointee.sendTable)
    guard duration > 0 && timeWaitCount < stack.config.maximumTimeWait || flow.pointee.fd >= 0
    else {
      if flow.pointee.flags.contains(.ackDue) { acknowledgeLast(flow) }
      close(flow)
      return
    }
    flow.pointee.state = .timeWait
    timeWaitCount &+= 1
    flow.pointee.retransmitDeadline = stack.now &+ max(1, duration)
    armTimer(flow)
  }

  /// The ACK of the guest's FIN, before the flow is forgotten.
  private func acknowledgeLast(_ flow: FlowPointer) {
    _ = sendSegment(flow, sequence: flow.pointee.sendMaximum, length: 0, flags: .ack)
  }

  func timeWaitOver(_ flow: FlowPointer) {
    // The host has not taken all of the guest's bytes: it ends when it has.
    if flow.pointee.fd >= 0 {
      flow.pointee.retransmitDeadline = 0
      return
    }
    close(flow)
  }

  /// Closes the socket when both its directions are over.
  func closeHostIfDone(_ flow: FlowPointer) {
    guard flow.pointee.flags.contains([.hostShut, .hostFinished]), flow.pointee.fd >= 0
    else { return }
    closeSocket(flow, reset: false)
    if flow.pointee.state == .timeWait, flow.pointee.retransmitDeadline == 0 { close(flow) }
  }

  /// The host's side failed: the guest is told as TCP tells it.
  func hostFailed(_ flow: FlowPointer, _ code: Int32) {
    counters.resetByHost &+= 1
    // What was read before still goes out, as far as the window reaches.
    output(flow)
    resetGuest(flow)
  }

  /// Ends the flow with a reset both ways.
  func resetGuest(_ flow: FlowPointer) {
    guard flow.pointee.state != .closed else { return }
    if flow.pointee.state != .timeWait { sendReset(flow, at: flow.pointee.sendMaximum) }
    abandon(flow)
  }

  /// Ends the flow with a reset towards the host, and without a word to the guest.
  func abandon(_ flow: FlowPointer) {
    guard flow.pointee.state != .closed else { return }
    closeSocket(flow, reset: true)
    close(flow)
  }

  /// Forgets the flow. Its slot is given back at the end of the turn.
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
    if flow.pointee.sendTable != 0 {
      transmitter.flush()
      store.releaseAll(&flow.pointee.sendTable)
    }
    store.releaseAll(&flow.pointee.receiveTable)
    if flow.pointee.reassembly != 0 {
      ranges.remove(flow.pointee.reassembly)
      flow.pointee.reassembly = 0
    }
    if flow.pointee.scoreboard != 0 { dropScoreboard(flow) }
    flow.pointee.batchHead = -1
    flow.pointee.batchTail = -1
    if flow.pointee.owner != 0 {
      stack.forwards.flowClosed(flow.pointee.owner)
      flow.pointee.owner = 0
    }
    touch(flow, [])
  }

  /// Closes the socket of a flow, if it has one.
  private func closeSocket(_ flow: FlowPointer, reset: Bool) {
    guard flow.pointee.fd >= 0 else { return }
    stack.host.unwatch(flow.pointee.watch)
    flow.pointee.watch = 0
    flow.pointee.interest = 0
    closeDescriptor(flow.pointee.fd, reset: reset)
    flow.pointee.fd = -1
    socketCount &-= 1
  }

  /// Closes a socket when the turn ends; with `reset` at once (its descriptor may be needed), and its
  /// peer gets an RST, whatever it still had to read.
  func closeDescriptor(_ fd: Int32, reset: Bool) {
    guard reset else { return closeLater(fd) }
    var value = linger(l_onoff: 1, l_linger: 0)
    _ = stack.calls.setOption(
      stack.calls.context, fd, Int32(SOL_SOCKET), Int32(SO_LINGER), &value,
      UInt32(MemoryLayout<linger>.size))
    _ = stack.calls.close(stack.calls.context, fd)
  }
}
