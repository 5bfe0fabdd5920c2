// SPDX-License-Identifier: Apache-2.0
//
// A port: a guest's or an uplink's link, on which frames are sent and received. Common to all transports. Owns its fd
// (unless its listener does), its counters and the queue of unsent bytes. Each subclass implements one wire format.
//
// Life cycle: init -> (attach: `handle` and `receiver` set) -> onReadable/onWritable/ onRetry/send ... -> `end` set,
// or removed by the reactor's owner -> close().
//
// Thread: loop only. Nothing here allocates, retains or locks per frame; the
// virtual calls are per batch.

import LibC
import Platform
import PluginAPI

package class Port {
  /// The supervisor's id of the port.
  package let id: UInt64
  /// The guest's name, or "".
  package final var name: String
  /// The fd to poll; -1 when a listener reads for it.
  package let fd: Int32
  /// The link's MTU, bytes of IP packet; 0: unknown.
  package let mtu: UInt32
  /// LND_OFFLOAD_*: the GSO kinds that `deliver` may pass on, for lnd_port_info.
  package let offloads: UInt32
  /// The guest's Ethernet address: the low 48 bits, first byte highest. 0: unknown.
  package let mac: UInt64

  /// Set by the switch or the isolated binding.
  package final var handle: lnd_port = 0
  package final var receiver: FrameReceiver = .discard
  /// Records every frame, both ways, while set.
  package final var capture: Capture?
  package final weak var delegate: (any PortDelegate)?

  package final var counters = PortCounters()
  /// What to poll for. Changes are reported to the delegate.
  package final private(set) var interest: PortInterest = .read
  /// The same but for the guest's limit.
  private final var wanted: PortInterest = .read
  /// The guest's limits (Port+Limits.swift).
  final var rxGate = RateGate()
  final var txGate = RateGate()
  final var isReadPaused = false
  /// When `onGateOpens` is due; UInt64.max: it is not.
  final var gateDeadline = UInt64.max
  /// Bytes above which no further frame is let into the queue.
  final var queueLimit = SendQueue.limit
  /// Why the port is of no use any more.
  package final private(set) var end: PortEnd?

  private final var retryIsPending = false
  private final var announcesOnRetry = false
  /// `send` returned a short count, and `ready` has not been called since.
  final var owesReady = false
  /// Bytes not yet sent, or held back. While there are any of the first kind, or `ready` is owed, `onWritable` will
  /// be called.
  final var queue = SendQueue()
  /// Everything in the queue is held back.
  final var isHolding = false
  /// Whether sending frames together costs less.
  let gathers: Bool
  private final var isOpen = true
  private let ownsFD: Bool
  let memory: PortMemory

  init(
    _ options: PortOptions, fd: Int32, ownsFD: Bool, offloads: UInt32, gathers: Bool = false,
    memory: PortMemory
  ) {
    self.id = options.id
    self.name = options.name
    self.mtu = options.mtu
    self.mac = options.mac
    self.fd = fd
    self.ownsFD = ownsFD
    self.offloads = offloads
    self.gathers = gathers
    self.memory = memory
  }

  deinit { close() }

  // MARK: Driven by the loop

  /// The fd is readable (or has an error or hang-up): reads and delivers a bounded number of frames. Poll
  /// level-triggered.
  package func onReadable() {}

  /// The fd is writable: sends the queue, then calls `receiver.ready` if owed.
  package func onWritable() {}

  /// The deadline given to `portWantsRetry` has passed.
  package final func onRetry() {
    retryIsPending = false
    guard end == nil else { return }
    onWritable()
    if announcesOnRetry {
      announcesOnRetry = false
      announceReady()
    }
  }

  // MARK: Frames out

  /// Sends frames in order; returns how many were accepted, from the first on. After a short count `receiver.ready`
  /// follows. Malformed frames are accepted, dropped and counted; a port that has ended accepts all. Frames may be
  /// GSO frames and in slices; they are borrowed for the call.
  package func send(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    guard memory.isGathering, hold(frames, count) else {
      return push(frames, count, forwarding: false)
    }
    if startsToHold() { memory.holds(self) }
    return count
  }

  /// Sends frames of another port: those that fit neither the kernel nor the port's queue are dropped and counted.
  /// Small ones may be held back to be sent together: true when these are the first of them, and `sendHeld` must be
  /// called before the iteration ends.
  @discardableResult
  package func forward(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Bool {
    if hold(frames, count) { return startsToHold() }
    _ = push(frames, count, forwarding: true)
    return false
  }

  /// Closes the fd. Idempotent. The caller has stopped polling it.
  package func close() {
    guard isOpen else { return }
    isOpen = false
    if ownsFD, fd >= 0 { _ = Sockets.close(fd) }
  }

  // MARK: Of subclasses

  /// Passes frames to the kernel until it is full; returns how many were accepted whole, or with their rest in the
  /// queue, which was empty before. May set `end`.
  func transmit(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int { count }

  /// Encodes a frame at the end of the queue. Precondition: the queue has room.
  func enqueue(_ frame: UnsafePointer<lnd_frame>) {}

  /// Sends the queue.
  func sendQueue() {}

  /// Arranges for `onWritable` when the reason that stopped the last `transmit` or `sendQueue` may have ended.
  func awaitRoom() {}

  // MARK: For subclasses

  /// Sets `end` and notifies the delegate, once.
  final func finish(_ reason: PortEnd) {
    guard end == nil else { return }
    end = reason
    setInterest([])
    delegate?.portEnded(self)
  }

  final func setInterest(_ new: PortInterest) {
    wanted = new
    applyInterest()
  }

  final func applyInterest() {
    let new = isReadPaused ? wanted.subtracting(.read) : wanted
    guard new != interest else { return }
    interest = new
    delegate?.portInterestChanged(self)
  }

  /// Requests `onRetry`, unless one is pending.
  final func askRetry(after delay: UInt64) {
    guard !retryIsPending, let delegate else { return }
    retryIsPending = true
    delegate.portWantsRetry(self, at: MonotonicClock.now() &+ delay)
  }

  /// Ends a sender's wait after `delay` even without progress.
  final func announceAnyway(after delay: UInt64) {
    announcesOnRetry = true
    askRetry(after: delay)
  }

  /// Passes a batch to the receiver: contiguous frames in this port's memory.
  @inline(__always)
  final func deliver(_ frames: UnsafeMutablePointer<lnd_frame>, _ count: Int) {
    guard count > 0 else { return }
    if let capture { capture.record(frames, count) }
    var bytes: UInt64 = 0
    for i in 0..<count {
      bytes &+= UInt64(frames[i].length)
      frames[i].source = handle
      PriorityTag.remove(frames + i)
    }
    counters.rxFrames &+= UInt64(count)
    counters.rxBytes &+= bytes
    if rxGate.isActive { chargeReceived(frames, count, bytes) }
    receiver.frames(receiver.context, handle, frames, UInt32(truncatingIfNeeded: count))
  }

  /// The queue has room again, if the guest's limit lets more pass: tells the sender.
  final func announceRoom() {
    if queue.isRelaxed, !txGate.isActive || txGate.isOpen(now: MonotonicClock.now()) {
      announceReady()
    }
  }

  /// Notifies a sender that waits for room.
  final func announceReady() {
    guard owesReady, end == nil else { return }
    owesReady = false
    receiver.ready?(receiver.context, handle)
  }
}

/// The supervisor's parameters of a port.
package struct PortOptions: Sendable {
  package var id: UInt64
  package var name: String
  package var mtu: UInt32
  package var mac: UInt64

  package init(id: UInt64, name: String = "", mtu: UInt32 = 0, mac: UInt64 = 0) {
    self.id = id
    self.name = name
    self.mtu = mtu
    self.mac = mac
  }
}

/// For `Sockets.recv`.
let dontWait = Int32(MSG_DONTWAIT)
