// SPDX-License-Identifier: Apache-2.0
//
// Operations the host has asked a plugin for: each ends exactly once. Handles
// carry a generation; a stale one finds nothing. Thread: loop only.

import DNSMessage

/// What an operation is for.
enum Operation {
  case start
  case stop
  /// A request of the supervisor.
  case request(UInt64)
  /// A question to a DNS plugin.
  case question(DNSLookupID)
  /// The same, by the DNS plugin in front of it.
  case relayed(UInt64)
}

struct OperationTable {
  private struct Slot {
    var generation: UInt32 = 1
    var operation: Operation?
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []
  private(set) var count = 0

  /// Never 0.
  mutating func begin(_ operation: Operation) -> UInt64 {
    let index: Int
    if let reused = free.popLast() {
      index = Int(reused)
    } else {
      index = slots.count
      slots.append(Slot())
    }
    slots[index].operation = operation
    count += 1
    return UInt64(slots[index].generation) << 32 | UInt64(index)
  }

  /// What `handle` is for; nil for a stale one.
  subscript(handle: UInt64) -> Operation? {
    let index = Int(handle & 0xffff_ffff)
    guard index < slots.count, slots[index].generation == UInt32(handle >> 32) else { return nil }
    return slots[index].operation
  }

  /// All handles are stale from now on.
  mutating func endAll() {
    for index in slots.indices where slots[index].operation != nil {
      _ = end(UInt64(slots[index].generation) << 32 | UInt64(index))
    }
  }

  /// What `handle` is for, whose life ends now; nil for a stale one.
  mutating func end(_ handle: UInt64) -> Operation? {
    let index = Int(handle & 0xffff_ffff)
    guard index < slots.count, slots[index].generation == UInt32(handle >> 32),
      let operation = slots[index].operation
    else { return nil }
    let generation = slots[index].generation &+ 1
    slots[index] = Slot(generation: generation == 0 ? 1 : generation, operation: nil)
    free.append(UInt32(index))
    count -= 1
    return operation
  }
}
