// SPDX-License-Identifier: Apache-2.0
//
// A pool of trivial values, indexed by 32 bits, with a generation per slot.
//
// Slots never move, so `slab.pointer(i)` is valid while slot i is in use. The generation of a slot changes each time
// it is taken, so that an index stored with its generation (an event token, a timer) is recognised as stale in O(1).
// Index 0 is never used: it means none. Loop thread only.

/// A pool of `Element`, bounded by `capacity`; memory is committed as it is used.
package struct Slab<Element: BitwiseCopyable>: ~Copyable {
  private let slots: MappedRegion
  private let bookkeeping: MappedRegion
  private let base: UnsafeMutablePointer<Element>
  /// Per slot: generation (24 bits used) in the high half, next free slot in the low half. A slot in use has
  /// `Self.takenMark` as its low half.
  private let meta: UnsafeMutablePointer<UInt64>
  private var freeHead: UInt32 = 0
  private var highWater: UInt32 = 1

  /// Number of slots in use.
  package private(set) var count = 0
  /// Maximum number of slots.
  package let capacity: Int

  private static var takenMark: UInt32 { .max }
  /// Generations fit into an event token (24 bits).
  package static var generationMask: UInt32 { 0xFF_FFFF }

  package init(capacity: Int) {
    let bounded = min(max(1, capacity), Int(Int32.max) - 1)
    self.capacity = bounded
    slots = MappedRegion(byteCount: (bounded + 1) * MemoryLayout<Element>.stride)
    bookkeeping = MappedRegion(byteCount: (bounded + 1) * MemoryLayout<UInt64>.stride)
    base = slots.base.bindMemory(to: Element.self, capacity: bounded + 1)
    meta = bookkeeping.base.bindMemory(to: UInt64.self, capacity: bounded + 1)
  }

  /// Takes a slot and writes `value` into it; 0 when all are in use.
  package mutating func insert(_ value: Element) -> UInt32 {
    let index = take()
    if index != 0 { base[Int(index)] = value }
    return index
  }

  /// Takes a slot and leaves in it what is there, which is zero bytes or what its last owner left: for a large
  /// value that its owner begins anew. 0 when all are taken.
  package mutating func take() -> UInt32 {
    let index: UInt32
    if freeHead != 0 {
      index = freeHead
      freeHead = UInt32(truncatingIfNeeded: meta[Int(index)])
    } else {
      guard Int(highWater) <= capacity else { return 0 }
      index = highWater
      highWater &+= 1
    }
    let generation = (UInt32(truncatingIfNeeded: meta[Int(index)] >> 32) &+ 1) & Self.generationMask
    meta[Int(index)] = UInt64(generation == 0 ? 1 : generation) << 32 | UInt64(Self.takenMark)
    count &+= 1
    return index
  }

  /// Frees a slot; ignores one that is not in use.
  package mutating func remove(_ index: UInt32) {
    guard isTaken(index) else { return }
    meta[Int(index)] = meta[Int(index)] & ~0xFFFF_FFFF | UInt64(freeHead)
    freeHead = index
    count &-= 1
  }

  /// Whether the slot is in use; false for any index out of range.
  @inline(__always)
  package func isTaken(_ index: UInt32) -> Bool {
    index != 0 && index < highWater
      && UInt32(truncatingIfNeeded: meta[Int(index)]) == Self.takenMark
  }

  /// Whether the slot is in use by the same owner as when `generation` was read.
  @inline(__always)
  package func isTaken(_ index: UInt32, generation: UInt32) -> Bool {
    isTaken(index) && UInt32(truncatingIfNeeded: meta[Int(index)] >> 32) == generation
  }

  /// The generation of a slot in use.
  @inline(__always)
  package func generation(_ index: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: meta[Int(index)] >> 32)
  }

  /// The value of a slot. Precondition: the slot is in use.
  @inline(__always)
  package func pointer(_ index: UInt32) -> UnsafeMutablePointer<Element> {
    base + Int(index)
  }

  /// The address of slot 0: `base + index` is slot `index`; it never changes.
  package var baseAddress: UnsafeMutablePointer<Element> { base }

  /// The first slot that was never used: all used ones are below it.
  package var endIndex: UInt32 { highWater }
}
