// SPDX-License-Identifier: Apache-2.0
//
// A guest's limits at its link (RateGate). What it sends is read more slowly, so that its sender waits as on a slow line; where
// that is not possible, for a socket is shared, what is beyond the limit is dropped and counted. What it is sent waits with
// the sender, as for a link that is full; frames of other guests wait in the queue, up to a quarter of a second's worth,
// then they are dropped. Other guests are not delayed.
//
// Thread: loop only. The clock is read where there is a limit, once a batch.

import HostProtocol
import Platform
import PluginAPI

extension Port {
  final func setLimits(_ limits: LinkLimits) {
    rxGate = RateGate(limits.fromGuest)
    txGate = RateGate(limits.toGuest)
    let rate = txGate.bytesPerSecond
    queueLimit =
      rate == 0
      ? SendQueue.limit : Int(clamping: min(max(rate / 4, 32 << 10), UInt64(SendQueue.limit)))
    if gateDeadline != .max { goOn() }
  }

  /// A deadline of `portWaitsForGate` has come.
  package final func onGateOpens() {
    // A deadline that was moved meanwhile is not due yet.
    if MonotonicClock.now() >= gateDeadline { goOn() }
  }

  private func goOn() {
    gateDeadline = .max
    guard end == nil else { return }
    if isReadPaused {
      if rxGate.isActive, !rxGate.isOpen(now: MonotonicClock.now()) {
        awaitGate(rxGate)
      } else {
        isReadPaused = false
        applyInterest()
      }
    }
    onWritable()
  }

  private func awaitGate(_ gate: RateGate) {
    let deadline = gate.opensAt
    guard deadline < gateDeadline, let delegate else { return }
    gateDeadline = deadline
    delegate.portWaitsForGate(self, at: deadline)
  }

  // MARK: From the guest

  /// Bytes that may be read now.
  final var receiveAllowance: Int {
    let left = rxGate.left(now: MonotonicClock.now())
    // Packets are counted when they have been read: of small ones no more than that.
    return left.packets < Int.max / 64 ? min(left.bytes, left.packets &* 64) : left.bytes
  }

  final func chargeReceived(_ frames: UnsafePointer<lnd_frame>, _ count: Int, _ bytes: UInt64) {
    var packets = 0
    for i in 0..<count { packets &+= frames[i].packets }
    let now = MonotonicClock.now()
    rxGate.charge(bytes: Int(clamping: bytes), packets: packets, now: now)
    guard !isReadPaused, !rxGate.isOpen(now: now) else { return }
    isReadPaused = true
    counters.rxPaused &+= 1
    applyInterest()
    awaitGate(rxGate)
  }

  /// `deliver` where the guest cannot be made to wait.
  final func deliverLimited(_ frames: UnsafeMutablePointer<lnd_frame>, _ count: Int) {
    guard rxGate.isActive else { return deliver(frames, count) }
    var left = rxGate.left(now: MonotonicClock.now())
    var passes = 0
    while passes < count, left.bytes > 0, left.packets > 0 {
      left.bytes &-= Int(frames[passes].length)
      left.packets &-= 1
      passes &+= 1
    }
    counters.rxLimited &+= UInt64(count &- passes)
    deliver(frames, passes)
  }

  // MARK: To the guest

  /// Bytes that may be sent now, and more by one frame.
  @inline(__always) final var sendAllowance: Int {
    txGate.isActive ? txGate.left(now: MonotonicClock.now()).bytes : .max
  }

  @inline(__always)
  final func chargeSent(bytes: Int, packets: Int) {
    guard txGate.isActive else { return }
    txGate.charge(bytes: bytes, packets: packets, now: MonotonicClock.now())
  }

  /// `transmit` of what may be sent now. What of it lies in the queue is charged when it goes.
  final func transmitLimited(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    let now = MonotonicClock.now()
    var left = txGate.left(now: now)
    var open = 0
    while open < count, left.bytes > 0, left.packets > 0 {
      left.bytes &-= Int(frames[open].length)
      left.packets &-= frames[open].packets
      open &+= 1
    }
    guard open > 0 else { return 0 }
    let taken = transmit(frames, open)
    var bytes = 0
    var packets = 0
    for i in 0..<min(taken, open) {
      bytes &+= Int(frames[i].length)
      packets &+= frames[i].packets
    }
    txGate.charge(bytes: max(0, bytes &- queue.count), packets: packets, now: now)
    return taken
  }

  /// Whether what waits to be sent waits for the limit: arranges for it.
  final func waitsForGate() -> Bool {
    guard txGate.isActive, !queue.isEmpty || owesReady,
      !txGate.isOpen(now: MonotonicClock.now())
    else { return false }
    setInterest(.read)
    awaitGate(txGate)
    return true
  }
}
