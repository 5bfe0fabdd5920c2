// SPDX-License-Identifier: Apache-2.0
//
// When the retransmission timer is due, and what it means when it fires (RFC 6298 §5, RFC 5681 §3.1).

extension TCPSender {
  /// Microseconds of a clock in nanoseconds, as they wrap: round trips are far shorter.
  @inline(__always)
  static func microseconds(_ now: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: now / 1000) }

  /// The RTO in nanoseconds, backed off by `attempts`.
  var timeout: UInt64 { rtt.timeout(attempts: attempts) }

  /// Sets the deadline of what is under way: for a loss probe if that comes before the RTO (RFC 8985 §7.2), else
  /// the RTO. The reordering timer comes before both.
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

  /// A loss probe is due: after it comes the RTO. True when one is to be sent.
  ///
  /// While a loss is repaired RFC 8985 §7.2 leaves it to the RTO, which here is a thousand round trips: what is
  /// lost once more at the end of a recovery is found by sending the first that is missing again.
  mutating func probeDue(_ now: UInt64) -> Bool {
    flags.remove(.isTailArmed)
    deadline = now &+ timeout
    guard flags.contains(.inRecovery) else { return true }
    probe.sent(end: maximum, isRetransmission: false)
    retransmitNext = unacknowledged
    flags.formUnion([.tailProbed, .retransmitDue])
    return false
  }

  /// The RTO is over, and there is no scoreboard: begin again at the first byte, with one segment. If the guest
  /// was only slow, its ACK will show it.
  mutating func timedOut(_ path: CongestionPath) {
    reduceAtTimeout(path)
    next = unacknowledged
  }

  /// What follows from a timeout whatever was lost: one segment, and a threshold (RFC 5681 §3.1).
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
