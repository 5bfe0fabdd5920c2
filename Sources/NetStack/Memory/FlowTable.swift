// SPDX-License-Identifier: Apache-2.0
//
// Finds the flow of a packet in O(1): open addressing, linear probing, load factor below 1/2.
//
// The table holds 8 bytes per place (hash and slot index); keys are at the start of the elements of a Slab. The hash
// is seeded: a guest cannot choose ports that collide. Removal shifts the run back, so that there are no tombstones
// and the cost stays constant. Loop thread only.

import CPlatform
import Wire

/// Identifies a flow: the guest's endpoint and the remote endpoint, of any family.
package struct FlowKey: BitwiseCopyable, Equatable {
  package var guest: IPAddress
  package var remote: IPAddress
  package var guestPort: UInt16
  package var remotePort: UInt16
  package var link: UInt32
  /// IP protocol number; widened so that the key has no padding.
  package var proto: UInt32

  package init(
    link: UInt32, proto: UInt8, guest: IPAddress, guestPort: UInt16, remote: IPAddress,
    remotePort: UInt16
  ) {
    self.guest = guest
    self.remote = remote
    self.guestPort = guestPort
    self.remotePort = remotePort
    self.link = link
    self.proto = UInt32(proto)
  }

  @inline(__always)
  package static func == (a: FlowKey, b: FlowKey) -> Bool {
    a.guestPort == b.guestPort && a.remotePort == b.remotePort && a.guest == b.guest
      && a.remote == b.remote && a.link == b.link && a.proto == b.proto
  }

  /// A keyed hash of 32 bits.
  @inline(__always)
  package func hash(seed: UInt64) -> UInt32 {
    let ports = UInt64(guestPort) << 48 | UInt64(remotePort) << 32 | UInt64(link)
    var h = FlowKey.mix(seed ^ ports, UInt64(proto) ^ 0x9E37_79B9_7F4A_7C15)
    h = FlowKey.mix(h ^ guest.high, seed ^ 0xD6E8_FEB8_6659_FD93)
    h = FlowKey.mix(h ^ guest.low, seed ^ 0xA076_1D64_78BD_642F)
    h = FlowKey.mix(h ^ remote.high, seed ^ 0xE703_7ED1_A0B4_28DB)
    h = FlowKey.mix(h ^ remote.low, seed ^ 0x8EBC_6AF0_9C88_C6E3)
    return UInt32(truncatingIfNeeded: h ^ (h >> 32))
  }

  @inline(__always)
  private static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }
}

/// A hash table from keys to slots of a Slab whose elements begin with their FlowKey.
package struct FlowTable: ~Copyable {
  private let keys: UnsafeRawPointer
  private let stride: Int
  private let seed: UInt64
  private var places: UnsafeMutablePointer<UInt64>
  private var mask: Int
  /// Number of keys.
  package private(set) var count = 0

  /// - Parameter slab: its `Element` must have a FlowKey as first member.
  package init<Element: BitwiseCopyable>(slab: borrowing Slab<Element>, seed: UInt64) {
    keys = UnsafeRawPointer(slab.baseAddress)
    stride = MemoryLayout<Element>.stride
    self.seed = seed
    mask = 63
    places = .allocate(capacity: 64)
    places.initialize(repeating: 0, count: 64)
  }

  deinit {
    places.deallocate()
  }

  @inline(__always)
  private func key(_ index: UInt32) -> UnsafePointer<FlowKey> {
    (keys + Int(index) &* stride).assumingMemoryBound(to: FlowKey.self)
  }

  /// The slot whose element has this key; 0: none.
  @inline(__always)
  package func find(_ wanted: FlowKey) -> UInt32 {
    find(wanted, hash: hash(of: wanted))
  }

  // `find` in two steps, between which the memory is prefetched (LookAhead).

  /// Prefetches the memory that `guess` reads, and returns its state.
  @inline(__always)
  package func prepare(_ wanted: FlowKey) -> UInt32 {
    let hash = hash(of: wanted)
    plat_prefetch(places + (Int(hash) & mask))
    return hash
  }

  /// The slot that probably has the key of this hash; no other can have it; 0: none.
  @inline(__always)
  package func guess(_ hash: UInt32) -> UInt32 {
    var place = Int(hash) & mask
    while true {
      let entry = places[place]
      if entry == 0 || UInt32(truncatingIfNeeded: entry >> 32) == hash {
        return UInt32(truncatingIfNeeded: entry)
      }
      place = (place &+ 1) & mask
    }
  }

  /// Whether the element of a slot has this key; it may have been removed since.
  @inline(__always)
  package func holds(_ index: UInt32, _ wanted: FlowKey) -> Bool { key(index).pointee == wanted }

  @inline(__always)
  private func hash(of wanted: FlowKey) -> UInt32 { wanted.hash(seed: seed) }

  @inline(__always)
  private func find(_ wanted: FlowKey, hash: UInt32) -> UInt32 {
    var place = Int(hash) & mask
    while true {
      let entry = places[place]
      if entry == 0 { return 0 }
      if UInt32(truncatingIfNeeded: entry >> 32) == hash {
        let index = UInt32(truncatingIfNeeded: entry)
        if key(index).pointee == wanted { return index }
      }
      place = (place &+ 1) & mask
    }
  }

  /// Adds slot `index`, whose element already has its key. Precondition: the key is not in the table.
  package mutating func insert(_ index: UInt32) {
    if (count &+ 1) &* 2 > mask { grow() }
    place(UInt64(key(index).pointee.hash(seed: seed)) << 32 | UInt64(index))
    count &+= 1
  }

  /// Removes slot `index`. Precondition: its element still has the key. Ignores an absent one.
  package mutating func remove(_ index: UInt32) {
    let hash = key(index).pointee.hash(seed: seed)
    let wanted = UInt64(hash) << 32 | UInt64(index)
    var hole = Int(hash) & mask
    while places[hole] != wanted {
      if places[hole] == 0 { return }
      hole = (hole &+ 1) & mask
    }
    count &-= 1
    // Shift back entries that the hole would separate from their home place.
    var next = (hole &+ 1) & mask
    while places[next] != 0 {
      let home = Int(places[next] >> 32) & mask
      if ((next &- home) & mask) >= ((next &- hole) & mask) {
        places[hole] = places[next]
        hole = next
      }
      next = (next &+ 1) & mask
    }
    places[hole] = 0
  }

  private mutating func place(_ entry: UInt64) {
    var at = Int(entry >> 32) & mask
    while places[at] != 0 { at = (at &+ 1) & mask }
    places[at] = entry
  }

  private mutating func grow() {
    let old = places
    let oldCount = mask &+ 1
    let newCount = oldCount &* 2
    places = .allocate(capacity: newCount)
    places.initialize(repeating: 0, count: newCount)
    mask = newCount &- 1
    for at in 0..<oldCount where old[at] != 0 { place(old[at]) }
    old.deallocate()
  }
}
