// SPDX-License-Identifier: Apache-2.0
//
// Keep-alive: whether both ends of an idle connection still exist (RFC 9293 §3.8.4).
//
// - Guest: probed after `keepAliveTime`; the connection ends after a number of unanswered probes. The guest of a forward is
//   probed more often, so that the client learns soon that the guest has rebooted: it then answers with RST. More probes do
//   not shorten the time after which a silent guest, such as a paused one, is given up.
// - Host: by the kernel (SO_KEEPALIVE) after its default time, or about as often as the guest sends probes itself, since
//   those end here; for a forward after a minute.

import LibC

extension TCPEngine {
  /// Interval of probes to the guest of an idle forward, nanoseconds.
  static let forwardProbeTime: UInt64 = 30_000_000_000
  /// Minimum age of a flow at which its socket gets SO_KEEPALIVE, nanoseconds: short connections do without the call.
  static let keepAliveDelay: UInt64 = 10_000_000_000

  /// The next keep-alive deadline of a flow with nothing in flight.
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

  /// Sends a probe, or ends the flow, if its keep-alive deadline has passed; nothing is in flight.
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

  /// The guest sent a keep-alive probe: the host's kernel will probe the peer as often.
  /// - Parameter idle: time since the last use of the flow before the probe, nanoseconds.
  func guestProbed(_ flow: FlowPointer, idle: UInt64) {
    guard flow.pointee.fd >= 0, idle >= 900_000_000 else { return }
    let seconds = Int32(clamping: (idle &+ 500_000_000) / 1_000_000_000)
    var known: Int32 = 0
    var size = UInt32(MemoryLayout<Int32>.size)
    let result = stack.calls.getOption(
      stack.calls.context, flow.pointee.fd, Int32(IPPROTO_TCP.self), SocketCalls.keepIdleOption,
      &known, &size)
    // Unix sockets have no keep-alive. An interval only a little longer than the last is ignored.
    guard result >= 0, known == 0 || known > seconds &+ seconds / 4 else { return }
    stack.calls.set(flow.pointee.fd, Int32(IPPROTO_TCP.self), SocketCalls.keepIdleOption, seconds)
    stack.calls.set(
      flow.pointee.fd, Int32(IPPROTO_TCP.self), TCP_KEEPINTVL, max(1, min(seconds / 3, 75)))
    stack.calls.set(flow.pointee.fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    flow.pointee.flags.insert(.isKeptAlive)
  }
}
