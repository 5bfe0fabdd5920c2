// SPDX-License-Identifier: Apache-2.0
//
// When the retransmission timer is due, and what it means when it fires (RFC 6298 §5, RFC 5681 §3.1).

extension TCPSender {
  /// Microseconds of a clock in nanoseconds, as they wrap: round trips are far shorter.
  @inline(__always)
  static func microseconds(_ now: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: now / 1000) }

  /// The RTO in nanoseconds, backed off by `attempts`.
  var timeout: UInt64 { rtt.timeout(attempts: attempts) }

  /// Sets the deadline of what is under way: first for a loss probe, then the RTO.
  @inline(__always)
  mutating func arm(_ now: UInt64) {
    if TailLossProbe.isUseful(
      roundTrip: rtt.smoothed, flight: flight, segmentSize: UInt32(segmentSize)),
      flags.intersection([.inLoss, .tailProbed, .sackPermitted]) == .sackPermitted
    {
      flags.insert(.isTailArmed)
      deadline =
        now
        &+ TailLossProbe.timeout(roundTrip: rtt.smoothed, wasLossy: congestion.isLimiting)
    } else {
      flags.remove(.isTailArmed)
      deadline = now &+ timeout
    }
  }

  /// A loss probe is due: after it comes the RTO. True when the tail is to be sent (`probe`); while a loss is
  /// repaired what was sent again was lost, too, and goes out from the first hole on.
  mutating func probeDue(_ now: UInt64) -> Bool {
    flags.remove(.isTailArmed)
    deadline = now &+ timeout
    guard flags.contains(.inRecovery) else { return true }
    retransmitNext = unacknowledged
    flags.formUnion([.tailProbed, .retransmitDue])
    return false
  }

  /// The RTO is over: begin again at the first byte that is missing, with one segment. If the guest was
  /// only slow, its ACK will show it. What it reported is to be forgotten: it may have thrown it
  /// away (RFC 2018 §8).
  mutating func timedOut(_ path: CongestionPath) {
    attempts &+= 1
    spuriousTimeout.timerFired(
      window: congestion.window, isFirst: !flags.contains(.inLoss),
      isRecovering: flags.contains(.inRecovery))
    flags.subtract([.inRecovery, .retransmitDue, .isTiming, .tailProbed])
    flags.insert(.inLoss)
    recoveryPoint = maximum
    if attempts == 1 { congestion.congested(flight: flight, path) }
    congestion.timedOut(path)
    next = unacknowledged
  }
}
