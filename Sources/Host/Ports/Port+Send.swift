// SPDX-License-Identifier: Apache-2.0
//
// What sending is on every kind of link: frames go to the kernel while it takes them. Behind
// what it did not take, small ones are queued and large ones refused: their sender keeps them
// without a copy and waits for `ready`. Forwarded frames have nobody to go back to: they are
// queued up to the queue's bound, then dropped.
//
// A system call costs as much as the copy of many small frames. What other ports send in one
// turn is therefore held back in the queue, if it is little, and goes out in one call when the
// turn's reading is over; a broadcast of each of N guests costs N calls so, not N². So do
// answers that are known to come together (`PortMemory.together`). Whatever
// may not be held back goes behind what is, and so nothing is overtaken.
//
// Thread: loop only.

import PluginAPI

extension Port {
  /// A frame that is cheaper to copy than to refuse.
  @inline(__always) static func isSmall(_ frame: UnsafePointer<lnd_frame>) -> Bool {
    frame.pointee.length <= 2048 && frame.pointee.gso_type == 0
  }

  /// Bytes that a port holds back at most, and of one batch.
  private static var heldMax: Int { 32 << 10 }
  private static var heldBatch: Int { 4 << 10 }

  /// Whether frames are held back now.
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

  /// Sends what is held back. Nothing when nothing is.
  package final func sendHeld() {
    guard isHolding else { return }
    isHolding = false
    if end == nil { sendQueue() }
    if let loan = queue.settle() { memory.loans.giveBack(loan) }
    if end == nil, !queue.isEmpty, !waitsForGate() { awaitRoom() }
  }

  /// `send`, and `forward` of what is not held back.
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

  /// Frames that were taken only to be dropped.
  @inline(__always) final var lost: UInt64 { counters.txMalformed &+ counters.txRefused }

  /// Counts what was taken, and shows it to the capture.
  /// - Parameter before: `lost` before the frames were looked at.
  @inline(__always)
  final func accepted(_ frames: UnsafePointer<lnd_frame>, _ count: Int, lostBefore before: UInt64) {
    guard count > 0 else { return }
    // Of one super-frame many segments may be lost.
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
