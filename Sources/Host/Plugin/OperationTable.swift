// SPDX-License-Identifier: Apache-2.0
//
// Operations that the host has requested of a plugin; each ends exactly once. Handles have a generation; a stale one is not
// found. Thread: loop only.

import DNSMessage

/// The purpose of an operation.
enum Operation {
  case start
  case stop
  /// A request of the supervisor.
  case request(UInt64)
  /// A question to a DNS plugin.
  case question(DNSLookupID)
  /// A question of the DNS plugin before it in the chain.
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

  /// Returns the operation's handle, never 0.
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

  /// The purpose of `handle`; nil if it is stale.
  subscript(handle: UInt64) -> Operation? {
    let index = Int(handle & 0xffff_ffff)
    guard index < slots.count, slots[index].generation == UInt32(handle >> 32) else { return nil }
    return slots[index].operation
  }

  /// Makes all handles stale.
  mutating func endAll() {
    for index in slots.indices where slots[index].operation != nil {
      _ = end(UInt64(slots[index].generation) << 32 | UInt64(index))
    }
  }

  /// Ends the operation and returns its purpose; nil if `handle` is stale.
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
