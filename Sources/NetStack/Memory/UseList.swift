// SPDX-License-Identifier: Apache-2.0
//
// Slots of a Slab in the order of their last use (LRU), for eviction. Links are slot indices inside the elements, 0
// ends a list; all operations are O(1).
//
// Moving an element touches the memory of three others, for which a packet of one flow among thousands would have to
// wait. Where a packet counts as use, an element moves at most once per quarter of a second (`isStale`): the order is
// exact to that, and evicted elements were idle for far longer. Loop thread only.

/// An element of a UseList; only the list writes these members.
package protocol UseListed: BitwiseCopyable {
  /// Neighbours by time of use; 0 at an end.
  var older: UInt32 { get set }
  var newer: UInt32 { get set }
}

/// The ends of a list of slots by time of use; 0 and 0 when empty.
package struct UseList: BitwiseCopyable {
  package private(set) var newest: UInt32 = 0
  package private(set) var oldest: UInt32 = 0

  package init() {}

  /// Whether an element that was last moved at `last` (ns) must be moved for a use at `now`, if this is asked at
  /// every use.
  @inline(__always)
  package static func isStale(_ last: UInt64, now: UInt64) -> Bool { last >> 28 != now >> 28 }

  /// Appends a slot that is in no list, as the newest.
  @inline(__always)
  package mutating func append<Element: UseListed>(
    _ index: UInt32, in slab: borrowing Slab<Element>
  ) {
    let element = slab.pointer(index)
    element.pointee.newer = 0
    element.pointee.older = newest
    if newest != 0 { slab.pointer(newest).pointee.newer = index } else { oldest = index }
    newest = index
  }

  /// Removes a slot of this list.
  @inline(__always)
  package mutating func remove<Element: UseListed>(
    _ index: UInt32, in slab: borrowing Slab<Element>
  ) {
    let older = slab.pointer(index).pointee.older
    let newer = slab.pointer(index).pointee.newer
    if older != 0 { slab.pointer(older).pointee.newer = newer } else { oldest = newer }
    if newer != 0 { slab.pointer(newer).pointee.older = older } else { newest = older }
  }

  /// Makes a slot of this list the newest.
  @inline(__always)
  package mutating func touch<Element: UseListed>(
    _ index: UInt32, in slab: borrowing Slab<Element>
  ) {
    guard newest != index else { return }
    remove(index, in: slab)
    append(index, in: slab)
  }
}
