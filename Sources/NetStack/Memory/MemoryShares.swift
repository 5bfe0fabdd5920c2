// SPDX-License-Identifier: Apache-2.0
//
// What each guest holds of the stack's bounded resources, so that one cannot starve the others.
//
// Dynamic thresholds (Choudhury and Hahne, 1998): a guest may take a chunk while it holds fewer
// than are free. Alone it gets half of the pool, of two greedy ones each gets a third, and a
// guest that comes later always finds something: no bound has to be set for each. Guests are told
// apart by link and address, hashed with a key into a fixed table: two that meet in one place
// share a share. Loop thread only.

/// Counts for each guest, known by place: 0..<MemoryShares.places.
struct MemoryShares: ~Copyable {
  static let places = 1024

  private let chunks: UnsafeMutablePointer<UInt32>
  private let flows: UnsafeMutablePointer<UInt32>
  /// Each guest's connections, by time of use.
  private let order: UnsafeMutablePointer<UseList>
  private let seed: UInt64

  init(seed: UInt64) {
    self.seed = seed
    chunks = .allocate(capacity: Self.places)
    chunks.initialize(repeating: 0, count: Self.places)
    flows = .allocate(capacity: Self.places)
    flows.initialize(repeating: 0, count: Self.places)
    order = .allocate(capacity: Self.places)
    order.initialize(repeating: UseList(), count: Self.places)
  }

  deinit {
    chunks.deallocate()
    flows.deallocate()
    order.deallocate()
  }

  /// The place of the guest of a flow.
  func place(of key: FlowKey) -> UInt32 {
    let guest = FlowKey(
      link: key.link, proto: 0, guest: key.guest, guestPort: 0, remote: key.guest, remotePort: 0)
    return guest.hash(seed: seed) % UInt32(Self.places)
  }

  /// How many chunks more the guest may take when `available` are free in all.
  @inline(__always)
  func chunksLeft(_ place: UInt32, available: Int) -> Int {
    max(0, available &- Int(chunks[Int(place)]))
  }

  @inline(__always)
  func tookChunk(_ place: UInt32) { chunks[Int(place)] &+= 1 }

  @inline(__always)
  func gaveChunk(_ place: UInt32) { chunks[Int(place)] &-= 1 }

  func flowBegan(_ place: UInt32, _ index: UInt32, in slab: borrowing Slab<TCPFlow>) {
    flows[Int(place)] &+= 1
    order[Int(place)].append(index, in: slab)
  }

  func flowUsed(_ place: UInt32, _ index: UInt32, in slab: borrowing Slab<TCPFlow>) {
    order[Int(place)].touch(index, in: slab)
  }

  func flowEnded(_ place: UInt32, _ index: UInt32, in slab: borrowing Slab<TCPFlow>) {
    flows[Int(place)] &-= 1
    order[Int(place)].remove(index, in: slab)
  }

  /// The connection of a guest that was idle longest; 0 when it has none.
  func idlest(_ place: UInt32) -> UInt32 { order[Int(place)].oldest }

  /// The place with the most connections.
  var busiest: UInt32 {
    var best = 0
    for place in 1..<Self.places where flows[place] > flows[best] { best = place }
    return UInt32(truncatingIfNeeded: best)
  }
}
