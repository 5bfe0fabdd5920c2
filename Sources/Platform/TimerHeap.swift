// SPDX-License-Identifier: Apache-2.0
//
// TimerHeap: one-shot deadlines with generation-tagged ids. A binary heap of slots, each with its heap index, so that
// arming and cancelling are O(log n) and a stale id is detected. The payload is a number, not a type parameter:
// generics are not specialised across modules, and every loop iteration uses this. Used by one thread.

package struct TimerHeap {
  private struct Slot {
    var deadline: UInt64 = 0
    var sequence: UInt64 = 0
    var generation: UInt32 = 1
    /// Index in `heap`, or -1 when free.
    var place: Int32 = -1
    var payload: UInt64 = 0
  }

  private var slots: [Slot] = []
  private var free: [Int32] = []
  private var heap: [Int32] = []
  private var sequence: UInt64 = 0
  private let limit: Int

  /// - Parameter limit: timers that may be armed at once.
  package init(limit: Int = 65536) { self.limit = limit }

  package var count: Int { heap.count }

  /// The earliest deadline, in nanoseconds of `MonotonicClock`.
  package var next: UInt64? { heap.first.map { slots[Int($0)].deadline } }

  /// Arms a timer. Returns its id, or 0 at the limit.
  package mutating func arm(_ deadline: UInt64, _ payload: UInt64) -> UInt64 {
    guard heap.count < limit else { return 0 }
    let index: Int32
    if let reused = free.popLast() {
      index = reused
    } else {
      index = Int32(slots.count)
      slots.append(Slot())
    }
    sequence &+= 1
    slots[Int(index)].deadline = deadline
    slots[Int(index)].sequence = sequence
    slots[Int(index)].payload = payload
    slots[Int(index)].place = Int32(heap.count)
    heap.append(index)
    siftUp(heap.count - 1)
    return id(index)
  }

  /// Disarms; nil for an id that has fired or does not exist.
  @discardableResult
  package mutating func cancel(_ id: UInt64) -> UInt64? {
    guard let index = slot(of: id) else { return nil }
    return release(index)
  }

  /// Counts up with each `arm`.
  package var lastArmed: UInt64 { sequence }

  /// Removes and returns the earliest timer that is due at `now`. Nil also when that one was armed after `limit`, a
  /// value of `lastArmed`: timers armed while due ones are handled wait for the next iteration.
  package mutating func popDue(_ now: UInt64, armedUpTo limit: UInt64 = .max)
    -> (id: UInt64, payload: UInt64)?
  {
    guard let index = heap.first, slots[Int(index)].deadline <= now,
      slots[Int(index)].sequence <= limit
    else { return nil }
    return (id(index), release(index))
  }

  private func id(_ index: Int32) -> UInt64 {
    UInt64(slots[Int(index)].generation) << 32 | UInt64(UInt32(index))
  }

  private func slot(of id: UInt64) -> Int32? {
    let index = Int(UInt32(truncatingIfNeeded: id))
    guard index < slots.count, slots[index].place >= 0,
      slots[index].generation == UInt32(truncatingIfNeeded: id >> 32)
    else { return nil }
    return Int32(index)
  }

  private mutating func release(_ index: Int32) -> UInt64 {
    let place = Int(slots[Int(index)].place)
    let last = heap.count - 1
    if place != last {
      swapAt(place, last)
    }
    heap.removeLast()
    if place < heap.count {
      siftDown(place)
      siftUp(place)
    }
    let payload = slots[Int(index)].payload
    slots[Int(index)].place = -1
    let generation = slots[Int(index)].generation &+ 1
    slots[Int(index)].generation = generation == 0 ? 1 : generation
    free.append(index)
    return payload
  }

  /// Equal deadlines fire in the order they were armed.
  private func before(_ a: Int, _ b: Int) -> Bool {
    let (x, y) = (slots[Int(heap[a])], slots[Int(heap[b])])
    return x.deadline != y.deadline ? x.deadline < y.deadline : x.sequence < y.sequence
  }

  private mutating func swapAt(_ a: Int, _ b: Int) {
    heap.swapAt(a, b)
    slots[Int(heap[a])].place = Int32(a)
    slots[Int(heap[b])].place = Int32(b)
  }

  private mutating func siftUp(_ from: Int) {
    var child = from
    while child > 0 {
      let parent = (child - 1) / 2
      guard before(child, parent) else { return }
      swapAt(child, parent)
      child = parent
    }
  }

  private mutating func siftDown(_ from: Int) {
    var parent = from
    while true {
      var least = parent
      for child in (2 * parent + 1)...(2 * parent + 2)
      where child < heap.count && before(child, least) {
        least = child
      }
      guard least != parent else { return }
      swapAt(parent, least)
      parent = least
    }
  }
}
