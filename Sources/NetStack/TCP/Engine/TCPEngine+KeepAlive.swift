// SPDX-License-Identifier: Apache-2.0
//
// Whether both ends of an idle connection are still there (RFC 9293 §3.8.4).
//
//   the guest    is probed after `keepAliveTime`, and given up after so many probes without answer;
//                that of a forward is probed more often, so that a client hears soon when the guest
//                booted anew and knows nothing of the connection: it answers with RST
//   the host's   by its kernel (SO_KEEPALIVE): after the kernel's time, or about as often as the guest
//   side         probes, whose probes end here; of a forward after a minute
//
// A guest that is silent, say because it is paused, is given up no sooner for being probed more often.

import LibC

extension TCPEngine {
  /// How often the guest of an idle forward is probed, nanoseconds.
  static let forwardProbeTime: UInt64 = 30_000_000_000
  /// How long a flow has lived at least when its socket gets SO_KEEPALIVE, which most never need,
  /// nanoseconds.
  static let keepAliveDelay: UInt64 = 10_000_000_000

  /// When there is something to do about a flow with nothing under way.
  @inline(__always)
  func keepAliveDeadline(_ flow: FlowPointer) -> UInt64 {
    let idle = flow.pointee.lastActivity
    if !flow.pointee.flags.contains(.isKeptAlive) { return idle &+ Self.keepAliveDelay }
    let time = stack.config.keepAliveTime
    guard flow.pointee.owner != 0, time > Self.forwardProbeTime else {
      return idle &+ time &+ UInt64(flow.pointee.keepAlives) &* stack.config.keepAliveInterval
    }
    return idle &+ (UInt64(flow.pointee.keepAlives) &+ 1) &* Self.forwardProbeTime
  }

  /// The flow's timer fired, and nothing is under way.
  func keepAliveIfDue(_ flow: FlowPointer) {
    if flow.pointee.flags.insert(.isKeptAlive).inserted, flow.pointee.fd >= 0 {
      stack.calls.set(flow.pointee.fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    }
    switch flow.pointee.state {
    case .established, .closeWait, .finWait2: break
    default: return
    }
    guard keepAliveDeadline(flow) <= stack.now else { return }
    let patience =
      stack.config.keepAliveTime
      &+ UInt64(stack.config.keepAliveProbes) &* stack.config.keepAliveInterval
    guard flow.pointee.keepAlives == 0 || stack.now &- flow.pointee.lastActivity < patience else {
      counters.timedOut &+= 1
      resetGuest(flow)
      return
    }
    if flow.pointee.keepAlives < .max { flow.pointee.keepAlives &+= 1 }
    _ = sendSegment(
      flow, sequence: flow.pointee.sender.maximum &- 1, length: 0, flags: .ack)
    touch(flow, [])
  }

  /// The guest asked whether its peer is there, and has our answer: the peer itself is asked about as
  /// often from now on.
  /// - Parameter idle: how long nothing went either way, nanoseconds.
  func guestProbed(_ flow: FlowPointer, idle: UInt64) {
    guard flow.pointee.fd >= 0, idle >= 900_000_000 else { return }
    let seconds = Int32(clamping: (idle &+ 500_000_000) / 1_000_000_000)
    var known: Int32 = 0
    var size = UInt32(MemoryLayout<Int32>.size)
    let result = stack.calls.getOption(
      stack.calls.context, flow.pointee.fd, Int32(IPPROTO_TCP.self), SocketCalls.keepIdleOption,
      &known, &size)
    // A unix socket has none. What comes a little later than the last time is no change.
    guard result >= 0, known == 0 || known > seconds &+ seconds / 4 else { return }
    stack.calls.set(flow.pointee.fd, Int32(IPPROTO_TCP.self), SocketCalls.keepIdleOption, seconds)
    stack.calls.set(
      flow.pointee.fd, Int32(IPPROTO_TCP.self), TCP_KEEPINTVL, max(1, min(seconds / 3, 75)))
    stack.calls.set(flow.pointee.fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    flow.pointee.flags.insert(.isKeptAlive)
  }
}
