// SPDX-License-Identifier: Apache-2.0
//
// A link with one frame at a time on it: what all transports have in common.
// Owns its fd (unless it shares its listener's), its counters and what could
// not be sent yet. Subclasses know a wire format each.
//
// Life: init -> (attach: `handle` and `receiver` set) -> onReadable/onWritable/
// onRetry/send ... -> `end` set or removed by the driver -> close().
//
// Thread: loop only. Nothing here allocates, retains or locks per frame; the
// virtual calls are per batch.

import Platform
import PluginAPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

package class Port {
  /// The supervisor's number for it.
  package let id: UInt64
  /// The guest's name, or "".
  package final var name: String
  /// What to poll; -1 when a listener reads for it.
  package let fd: Int32
  /// Bytes of IP packet the link carries; 0: not known.
  package let mtu: UInt32
  /// LND_OFFLOAD_*: the super-frames that `deliver` may bring, for lnd_port_info.
  package let offloads: UInt32
  /// The guest's, if known; the low 48 bits, first byte highest. 0: not known.
  package let mac: UInt64

  /// Set by the switch or the isolated binding.
  package final var handle: lnd_port = 0
  package final var receiver: FrameReceiver = .discard
  /// Records every frame, both ways, while set.
  package final var capture: Capture?
  package final weak var delegate: (any PortDelegate)?

  package final var counters = PortCounters()
  /// What to poll for. Changes are told to the delegate.
  package final private(set) var interest: PortInterest = .read
  /// Why the port is of no use any more.
  package final private(set) var end: PortEnd?

  private final var retryIsPending = false
  private final var announcesOnRetry = false
  /// A short count was returned and `ready` is owed.
  final var owesReady = false
  /// What could not be sent yet, or is held back. While there is any of the first kind, or
  /// `ready` is owed, `onWritable` will come.
  final var queue = SendQueue()
  /// All that is in the queue is held back.
  final var isHolding = false
  /// Whether frames that go out together cost less.
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

  /// The fd is readable (or has an error or hang-up): reads and delivers one
  /// bounded share of what is there. Poll level-triggered.
  package func onReadable() {}

  /// The fd is writable: sends what waits, then calls `receiver.ready` if owed.
  package func onWritable() {}

  /// The deadline given to `portWantsRetry` has come.
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

  /// Sends frames in order; how many were taken, from the first on. After a
  /// short count `receiver.ready` follows. Malformed frames are taken, dropped
  /// and counted; a port that has ended takes all. Frames may be super-frames
  /// and scatter lists, and are borrowed for the call.
  package func send(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    guard memory.isGathering, hold(frames, count) else {
      return push(frames, count, forwarding: false)
    }
    if startsToHold() { memory.holds(self) }
    return count
  }

  /// Sends frames of another port: what finds no room in the kernel or in the
  /// port's queue is dropped and counted. Small ones may be held back, to go out together:
  /// true when these are the first of them, and `sendHeld` is due before the turn is over.
  @discardableResult
  package func forward(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Bool {
    if hold(frames, count) { return startsToHold() }
    _ = push(frames, count, forwarding: true)
    return false
  }

  /// Frees the fd. Idempotent. The driver has stopped polling it.
  package func close() {
    guard isOpen else { return }
    isOpen = false
    if ownsFD, fd >= 0 { _ = Sockets.close(fd) }
  }

  // MARK: Of subclasses

  /// Hands frames to the kernel until it takes no more; how many were taken whole, or with
  /// their rest in the queue, which was empty. `end` may be set.
  func transmit(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int { count }

  /// Encodes a frame at the end of the queue, which has room.
  func enqueue(_ frame: UnsafePointer<lnd_frame>) {}

  /// Sends from the queue.
  func sendQueue() {}

  /// Arranges for `onWritable` when what stopped the last `transmit` or `sendQueue` may have
  /// passed.
  func awaitRoom() {}

  // MARK: For subclasses

  /// Notes the end and tells the delegate, once.
  final func finish(_ reason: PortEnd) {
    guard end == nil else { return }
    end = reason
    setInterest([])
    delegate?.portEnded(self)
  }

  final func setInterest(_ new: PortInterest) {
    guard new != interest else { return }
    interest = new
    delegate?.portInterestChanged(self)
  }

  /// Asks for `onRetry`, unless that is under way.
  final func askRetry(after delay: UInt64) {
    guard !retryIsPending, let delegate else { return }
    retryIsPending = true
    delegate.portWantsRetry(self, at: MonotonicClock.now() &+ delay)
  }

  /// Ends the wait of a sender after `delay` even if nothing moves.
  final func announceAnyway(after delay: UInt64) {
    announcesOnRetry = true
    askRetry(after: delay)
  }

  /// Hands a batch to the receiver: frames in one piece each, in memory of this port's.
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
    receiver.frames(receiver.context, handle, frames, UInt32(truncatingIfNeeded: count))
  }

  /// The queue has room again: tells the sender if it was told to wait.
  final func announceReady() {
    guard owesReady, end == nil else { return }
    owesReady = false
    receiver.ready?(receiver.context, handle)
  }
}

/// What the supervisor says of a port.
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
