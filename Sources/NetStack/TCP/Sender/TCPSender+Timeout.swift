// SPDX-License-Identifier: Apache-2.0
//
// The retransmission timer: its deadline, and what happens when it fires (RFC 6298 §5, RFC 5681 §3.1).

extension TCPSender {
  /// Microseconds modulo 2^32 of a clock in nanoseconds; round trips are much shorter than that.
  @inline(__always)
  static func microseconds(_ now: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: now / 1000) }

  /// The RTO in nanoseconds with back-off by `attempts`.
  var timeout: UInt64 { rtt.timeout(attempts: attempts) }

  /// Sets the deadline for the data in flight: the loss probe's (RFC 8985 §7.2) if it is before the RTO, otherwise the RTO.
  /// The reordering timer takes precedence over both.
  @inline(__always)
  mutating func arm(_ now: UInt64) {
    guard !flags.contains(.isReorderArmed) else { return }
    let retransmission = timeout
    if rtt.smoothed != 0, flags.intersection([.inLoss, .sackPermitted]) == .sackPermitted,
      !flags.contains(.tailProbed) || Sequence32.lessOrEqual(probe.end, unacknowledged)
    {
      let probe = TailLossProbe.timeout(
        roundTrip: rtt.smoothed, wasLossy: congestion.isLimiting,
        isSingle: flight <= UInt32(segmentSize))
      if probe < retransmission {
        flags.insert(.isTailArmed)
        deadline = now &+ probe
        return
      }
    }
    flags.remove(.isTailArmed)
    deadline = now &+ retransmission
  }

  /// The loss probe's deadline has passed; sets the RTO. True if a probe must be sent.
  ///
  /// During recovery RFC 8985 §7.2 sends no probe and relies on the RTO, which here is a thousand round trips. Instead the
  /// first missing segment is retransmitted, which detects the loss of retransmissions at the end of a recovery.
  mutating func probeDue(_ now: UInt64) -> Bool {
    flags.remove(.isTailArmed)
    deadline = now &+ timeout
    guard flags.contains(.inRecovery) else { return true }
    probe.sent(end: maximum, isRetransmission: false)
    retransmitNext = unacknowledged
    flags.formUnion([.tailProbed, .retransmitDue])
    return false
  }

  /// The retransmission timer fired, without a scoreboard: retransmits from the first byte on, one segment at first. The
  /// ACK shows whether the timeout was spurious.
  mutating func timedOut(_ path: CongestionPath) {
    reduceAtTimeout(path)
    next = unacknowledged
  }

  /// The consequences of any timeout: a window of one segment, and a threshold (RFC 5681 §3.1).
  mutating func reduceAtTimeout(_ path: CongestionPath) {
    attempts &+= 1
    spuriousTimeout.timerFired(
      window: congestion.window, isFirst: !flags.contains(.inLoss),
      isRecovering: flags.contains(.inRecovery))
    flags.subtract([.inRecovery, .retransmitDue, .isTiming, .tailProbed, .isReorderArmed])
    flags.insert(.inLoss)
    recoveryPoint = maximum
    if attempts == 1 { congestion.congested(flight: flight, path) }
    congestion.timedOut(path)
  }
}
