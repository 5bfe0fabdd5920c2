// SPDX-License-Identifier: Apache-2.0
//
// Many deadlines with one timer of the host: a hierarchical timing wheel (Varghese and Lauck).
//
// Five levels of 64 slots; the finest slot is 2^20 ns (about 1 ms), the coarsest level covers two weeks. Scheduling
// and cancelling are O(1); finding the next deadline reads one bitmap per level. A deadline never fires early, and
// late by one slot at most. Time is an argument. Loop thread only.

/// A scheduled deadline; `token` identifies its owner.
package struct TimerNode: BitwiseCopyable {
  var token: UInt64
  var tick: UInt64
  var previous: UInt32
  var next: UInt32
  /// Level * 64 + slot, or `TimerWheel.unlinked`.
  var bucket: UInt32
}

/// The wheel. Timers are identified by slot index; 0: none.
package struct TimerWheel: ~Copyable {
  private static var levels: Int { 5 }
  private static var shift: UInt64 { 20 }
  static var unlinked: UInt32 { .max }

  private var nodes: Slab<TimerNode>
  private let heads: UnsafeMutablePointer<UInt32>
  private let occupied: UnsafeMutablePointer<UInt64>
  /// All slots up to and including this tick have fired.
  private var current: UInt64

  package init(capacity: Int, now: UInt64) {
    nodes = Slab(capacity: capacity)
    heads = .allocate(capacity: Self.levels * 64)
    heads.initialize(repeating: 0, count: Self.levels * 64)
    occupied = .allocate(capacity: Self.levels)
    occupied.initialize(repeating: 0, count: Self.levels)
    current = now >> Self.shift
  }

  deinit {
    heads.deallocate()
    occupied.deallocate()
  }

  /// Number of scheduled timers.
  package var count: Int { nodes.count }

  /// Schedules `token` for `deadline` (ns). 0 when there are too many timers.
  package mutating func schedule(at deadline: UInt64, token: UInt64) -> UInt32 {
    let tick = tick(of: deadline)
    let id = nodes.insert(
      TimerNode(token: token, tick: tick, previous: 0, next: 0, bucket: Self.unlinked))
    guard id != 0 else { return 0 }
    link(id)
    return id
  }

  /// Moves a scheduled timer to another deadline.
  package mutating func reschedule(_ id: UInt32, at deadline: UInt64) {
    guard nodes.isTaken(id) else { return }
    unlink(id)
    nodes.pointer(id).pointee.tick = tick(of: deadline)
    link(id)
  }

  /// Cancels a timer; ignores 0 and one that has fired.
  package mutating func cancel(_ id: UInt32) {
    guard nodes.isTaken(id) else { return }
    unlink(id)
    nodes.remove(id)
  }

  /// Removes one timer that is due at `now` and returns its token; nil when none is left. Its id becomes invalid.
  package mutating func popDue(now: UInt64) -> UInt64? {
    let target = now >> Self.shift
    while true {
      let head = heads[Int(current & 63)]
      if head != 0, nodes.pointer(head).pointee.tick <= current {
        let token = nodes.pointer(head).pointee.token
        unlink(head)
        nodes.remove(head)
        return token
      }
      guard current < target else { return nil }
      advance(to: target)
    }
  }

  /// When `popDue` may have a timer: a lower bound, never later than the earliest deadline's slot; nil when none is
  /// scheduled.
  package func nextDeadline() -> UInt64? {
    guard nodes.count > 0 else { return nil }
    return nextTick().map { $0 << Self.shift }
  }

  /// The first tick at which some level has work.
  private func nextTick() -> UInt64? {
    var best: UInt64?
    for level in 0..<Self.levels where occupied[level] != 0 {
      let width = UInt64(6 * level)
      let position = current >> width
      let bits = occupied[level]
      let start = Int(position & 63)
      // Rotate so that bit 0 is the slot of `position`.
      let rotated = start == 0 ? bits : (bits >> UInt64(start)) | (bits << UInt64(64 - start))
      // At a coarse level the slot of `position` was emptied on arrival: its timers are due one full revolution
      // later.
      let ahead = level > 0 ? rotated & ~1 : rotated
      let distance = ahead == 0 ? 64 : UInt64(ahead.trailingZeroBitCount)
      let tick = (position &+ distance) << width
      if best.map({ tick < $0 }) ?? true { best = tick }
    }
    return best
  }

  /// Advances to the next slot with timers, or to `target`, cascading on the way.
  private mutating func advance(to target: UInt64) {
    guard let next = nextTick(), next <= target else {
      current = target
      return
    }
    current = max(next, current &+ 1)
    for level in stride(from: Self.levels - 1, to: 0, by: -1) {
      let width = UInt64(6 * level)
      guard current & ((1 << width) &- 1) == 0 else { continue }
      let bucket = level * 64 + Int((current >> width) & 63)
      var id = heads[bucket]
      while id != 0 {
        let following = nodes.pointer(id).pointee.next
        unlink(id)
        link(id)
        id = following
      }
    }
  }

  private func tick(of deadline: UInt64) -> UInt64 {
    let tick = (deadline >> Self.shift) &+ 1
    let furthest = current &+ (1 << 30) &- 64
    return min(max(tick, current &+ 1), furthest)
  }

  private mutating func link(_ id: UInt32) {
    let node = nodes.pointer(id)
    let tick = max(node.pointee.tick, current)
    let distance = tick &- current
    var level = 0
    while level < Self.levels - 1, distance >= 1 << UInt64(6 * (level + 1)) { level &+= 1 }
    // A timer in the current slot of a coarser level would wait a whole revolution of that level; the distance <
    // 64^(level+1) rules that out.
    let bucket = level * 64 + Int((tick >> UInt64(6 * level)) & 63)
    node.pointee.bucket = UInt32(truncatingIfNeeded: bucket)
    node.pointee.previous = 0
    node.pointee.next = heads[bucket]
    if heads[bucket] != 0 { nodes.pointer(heads[bucket]).pointee.previous = id }
    heads[bucket] = id
    occupied[level] |= 1 << UInt64(bucket & 63)
  }

  private mutating func unlink(_ id: UInt32) {
    let node = nodes.pointer(id)
    let bucket = Int(node.pointee.bucket)
    guard bucket < Self.levels * 64 else { return }
    let previous = node.pointee.previous
    let next = node.pointee.next
    if next != 0 { nodes.pointer(next).pointee.previous = previous }
    if previous != 0 {
      nodes.pointer(previous).pointee.next = next
    } else {
      heads[bucket] = next
      if next == 0 { occupied[bucket / 64] &= ~(1 << UInt64(bucket & 63)) }
    }
    node.pointee.bucket = Self.unlinked
  }
}
