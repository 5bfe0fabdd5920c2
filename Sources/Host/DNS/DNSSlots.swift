// SPDX-License-Identifier: Apache-2.0

/// Values behind handles with a generation: a stale handle finds nothing. Handles are never 0.
struct DNSSlots<Value> {
  private var slots: [(generation: UInt32, value: Value?)] = []
  private var free: [Int] = []
  private(set) var count = 0

  mutating func insert(_ value: Value) -> UInt64 {
    count += 1
    if let slot = free.popLast() {
      slots[slot].value = value
      return UInt64(slots[slot].generation) << 32 | UInt64(slot)
    }
    slots.append((1, value))
    return 1 << 32 | UInt64(slots.count - 1)
  }

  /// Nil behind a stale handle; setting is ignored there.
  subscript(_ handle: UInt64) -> Value? {
    get { index(handle).flatMap { slots[$0].value } }
    _modify {
      if let index = index(handle) {
        yield &slots[index].value
      } else {
        var nothing: Value?
        yield &nothing
      }
    }
  }

  mutating func remove(_ handle: UInt64) -> Value? {
    guard let index = index(handle), let value = slots[index].value else { return nil }
    let generation = slots[index].generation &+ 1
    slots[index] = (generation == 0 ? 1 : generation, nil)
    free.append(index)
    count -= 1
    return value
  }

  func forEach(_ body: (UInt64, Value) -> Void) {
    for (index, slot) in slots.enumerated() {
      guard let value = slot.value else { continue }
      body(UInt64(slot.generation) << 32 | UInt64(index), value)
    }
  }

  private func index(_ handle: UInt64) -> Int? {
    let index = Int(handle & 0xFFFF_FFFF)
    guard index < slots.count, slots[index].generation == UInt32(handle >> 32) else { return nil }
    return index
  }
}
