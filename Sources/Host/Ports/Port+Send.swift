// SPDX-License-Identifier: Apache-2.0
//
// Sending, common to all kinds of link: frames go to the kernel until it is full. After that, small ones are queued
// and large ones refused: the sender keeps them without a copy and waits for `ready`. The sender of forwarded frames
// cannot wait: they are queued up to the queue's bound, then dropped.
//
// A system call costs as much as copying many small frames. Small amounts that other ports send in one loop iteration
// are therefore held back in the queue and sent with one call when all ports have been read; a broadcast of each of N
// guests costs N calls, not N². The same holds for answers known to come together (`PortMemory.together`). A frame
// that may not be held back is queued behind those that are, so the order is kept.
//
// Thread: loop only.

import PluginAPI

extension Port {
  /// A frame that is cheaper to copy than to refuse.
  @inline(__always) static func isSmall(_ frame: UnsafePointer<lnd_frame>) -> Bool {
    frame.pointee.length <= 2048 && frame.pointee.gso_type == 0
  }

  /// Maximum bytes that a port holds back, and of one batch.
  private static var heldMax: Int { 32 << 10 }
  private static var heldBatch: Int { 4 << 10 }

  /// Whether frames are being held back.
  @inline(__always)
  final func hold(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Bool {
    guard gathers, end == nil, isHolding || queue.isEmpty, queue.count < Self.heldMax else {
      return false
    }
    var bytes = 0
    for i in 0..<count {
      bytes &+= max(Int(frames[i].length), PortMemory.shortest)
      if bytes > Self.heldBatch || frames[i].gso_type != 0 { return false }
    }
    if queue.wantsLoan { queue.lend(memory.loans.take()) }
    let before = lost
    for i in 0..<count { enqueue(frames + i) }
    accepted(frames, count, lostBefore: before)
    return true
  }

  @inline(__always)
  final func startsToHold() -> Bool {
    defer { isHolding = true }
    return !isHolding
  }

  /// Sends the frames held back, if any.
  package final func sendHeld() {
    guard isHolding else { return }
    isHolding = false
    if end == nil { sendQueue() }
    if let loan = queue.settle() { memory.loans.giveBack(loan) }
    if end == nil, !queue.isEmpty, !waitsForGate() { awaitRoom() }
  }

  /// `send`, and `forward` of frames that are not held back.
  final func push(_ frames: UnsafePointer<lnd_frame>, _ count: Int, forwarding: Bool) -> Int {
    guard end == nil else {
      counters.txEnded &+= UInt64(count)
      return count
    }
    sendHeld()
    guard end == nil else { return count }
    let before = lost
    let wasWaiting = !queue.isEmpty || owesReady
    var taken =
      !queue.isEmpty
      ? 0 : txGate.isActive ? transmitLimited(frames, count) : transmit(frames, count)
    guard end == nil else { return count }
    while taken < count, queue.count < queueLimit, forwarding || Self.isSmall(frames + taken) {
      enqueue(frames + taken)
      taken &+= 1
    }
    accepted(frames, taken, lostBefore: before)
    if taken < count {
      if forwarding {
        counters.txQueueFull &+= UInt64(count &- taken)
        taken = count
      } else {
        counters.txBlocked &+= 1
        owesReady = true
      }
    }
    if !wasWaiting, !queue.isEmpty || owesReady {
      if waitsForGate() { counters.txPaused &+= 1 } else { awaitRoom() }
    }
    return taken
  }

  /// Frames that were accepted and dropped.
  @inline(__always) final var lost: UInt64 {
    counters.txMalformed &+ counters.txRefused &+ counters.txEarly
  }

  /// Counts accepted frames and passes them to the capture.
  /// - Parameter before: `lost` before the frames were looked at.
  @inline(__always)
  final func accepted(_ frames: UnsafePointer<lnd_frame>, _ count: Int, lostBefore before: UInt64) {
    guard count > 0 else { return }
    // One GSO frame may lose many segments.
    let lost = min(lost &- before, UInt64(count))
    var bytes: UInt64 = 0
    for i in 0..<count where lost == 0 || (frames + i).shape != .malformed {
      bytes &+= UInt64(frames[i].length)
    }
    counters.txFrames &+= UInt64(count) &- lost
    counters.txBytes &+= bytes
    if let capture { capture.record(frames, count) }
  }
}
