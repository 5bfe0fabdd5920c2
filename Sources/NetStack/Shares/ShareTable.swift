// SPDX-License-Identifier: Apache-2.0
//
// The guests of a stack and their shares, so that no guest can starve the others.
//
// Bounded resources follow one of two rules:
//   - Dynamic thresholds (Choudhury and Hahne, 1998) for what is held for a short time: a guest may take one more while it
//     holds fewer than are free. A single guest gets half, two greedy ones get a third each, and a later one always finds
//     some free.
//   - Eviction for what is held long (connections, mappings): when all are taken, the one idle for the longest time of the
//     guest with the most is closed. A guest with as many as that loses one of its own.
//
// Bounded: 1024 guests. Guests beyond that have share 0 in common, as have stations of an unknown guest on a switch whose
// host reports guests. An entry is reused when its guest holds nothing. Thread: loop only.

import Wire

/// The shares of all guests, by index.
package final class ShareTable {
  package static let capacity = 1024

  private let links: LinkTable
  private var slab: Slab<Share>
  private var table: FlowTable
  /// The guests' ports behind which the host reports stations, and the number of stations of each.
  private var ports: [MACAddress: UInt64] = [:]
  private var stations: [UInt64: Int] = [:]
  private var isTold = false
  private static let maximumStations = 512
  /// By share; created with a guest's first fragment.
  private var reassemblies: [Reassembly?] = []

  // The last result of `of`.
  private var lastLink: UInt32 = 0
  private var lastMAC = MACAddress.zero
  private var lastShare: UInt32 = 0

  init(links: LinkTable, seed: UInt64) {
    self.links = links
    slab = Slab(capacity: Self.capacity)
    table = FlowTable(slab: slab, seed: seed)
    slab.pointer(0).initialize(to: Share(key: Self.key(0, port: 0, .zero), station: .zero))
  }

  private static func key(_ link: UInt32, port: UInt64, _ mac: MACAddress) -> FlowKey {
    let guest =
      port != 0 ? IPAddress(high: 1, low: port) : IPAddress(high: 0, low: mac.rawValue)
    return FlowKey(link: link, proto: 0, guest: guest, guestPort: 0, remote: guest, remotePort: 0)
  }

  // MARK: Finding

  @inline(__always)
  package func pointer(_ share: UInt32) -> UnsafeMutablePointer<Share> { slab.pointer(share) }

  /// The share of a station on a link.
  @inline(__always)
  package func of(_ link: UInt32, _ mac: MACAddress) -> UInt32 {
    if link == lastLink, mac == lastMAC { return lastShare }
    return find(link, mac)
  }

  private func find(_ link: UInt32, _ mac: MACAddress) -> UInt32 {
    guard links.isTaken(link) else { return 0 }
    let isAlone = links.pointer(link).pointee.kind == .guest
    let port = isAlone ? 0 : ports[mac] ?? 0
    if !isAlone, isTold, port == 0 { return 0 }
    let key = Self.key(link, port: port, isAlone || port != 0 ? .zero : mac)
    var share = table.find(key)
    if share == 0 {
      let new = Share(key: key, station: mac)
      share = slab.insert(new)
      if share == 0, reclaim() { share = slab.insert(new) }
      if share != 0 { table.insert(share) }
    }
    lastLink = link
    lastMAC = mac
    lastShare = share
    return share
  }

  /// Removes guests that hold nothing.
  private func reclaim() -> Bool {
    var isAny = false
    forEach { share in
      guard share != 0, slab.pointer(share).pointee.isIdle else { return }
      remove(share)
      isAny = true
    }
    return isAny
  }

  private func remove(_ share: UInt32) {
    lastLink = 0
    table.remove(share)
    slab.remove(share)
    if Int(share) < reassemblies.count { reassemblies[Int(share)] = nil }
  }

  /// Calls `body` for each share, including number 0. Its cost is that of the whole table.
  package func forEach(_ body: (UInt32) -> Void) {
    body(0)
    var share: UInt32 = 1
    while share < slab.endIndex {
      if slab.isTaken(share) { body(share) }
      share &+= 1
    }
  }

  // MARK: Who is who

  /// The host reports a station behind a guest's port of its switch: all stations there are one guest.
  package func station(_ mac: MACAddress, isBehind port: UInt64) {
    isTold = true
    lastLink = 0
    let before = ports[mac]
    guard before != port else { return }
    if let before { stations[before, default: 1] -= 1 }
    // At the limit the stations of the guest recorded so far are removed.
    if stations[port] ?? 0 >= Self.maximumStations { forgetStations(of: port) }
    ports[mac] = port
    stations[port, default: 0] += 1
  }

  /// A guest's port was removed.
  package func guestGone(_ port: UInt64) {
    forgetStations(of: port)
    lastLink = 0
  }

  private func forgetStations(of port: UInt64) {
    guard stations.removeValue(forKey: port) != nil else { return }
    ports = ports.filter { $0.value != port }
  }

  /// A link was removed. A guest with connections whose bytes still go to the host (TCPEngine+Detach), or with sockets
  /// still to be closed, keeps its share until they have ended: they count against it and are evicted first. The share is
  /// no longer found by `of`.
  func linkDown(_ link: UInt32) {
    forEach { share in
      let state = slab.pointer(share)
      let gone = state.pointee.key.link
      guard share != 0, gone == link || gone == 0 else { return }
      if gone == link { endReassembly(share) }
      guard !state.pointee.isIdle else { return remove(share) }
      guard gone == link else { return }
      table.remove(share)
      state.pointee.key = Self.key(0, port: 0, .zero)
      state.pointee.counters = ShareCounters()
    }
    lastLink = 0
  }

  /// Whether the share is still the one whose generation was read.
  func isTaken(_ share: UInt32, generation: UInt32) -> Bool {
    share == 0 || slab.isTaken(share, generation: generation)
  }

  func generation(_ share: UInt32) -> UInt32 { share == 0 ? 0 : slab.generation(share) }

  // MARK: Who has most

  /// The share with the highest count; `share` if none has more.
  func busiest(preferring share: UInt32, _ count: (UnsafeMutablePointer<Share>) -> UInt32)
    -> UInt32
  {
    var best = share
    var most = count(slab.pointer(share))
    var other: UInt32 = 0
    while other < slab.endIndex {
      if other == 0 || slab.isTaken(other) {
        let held = count(slab.pointer(other))
        if held > most {
          best = other
          most = held
        }
      }
      other &+= 1
    }
    return best
  }

  // MARK: Chunks

  /// How many more chunks the guest may take if `available` are free in total.
  @inline(__always)
  func chunksLeft(_ share: UInt32, available: Int) -> Int {
    max(0, available &- Int(slab.pointer(share).pointee.chunks))
  }

  @inline(__always)
  func tookChunk(_ share: UInt32) { slab.pointer(share).pointee.chunks &+= 1 }

  @inline(__always)
  func gaveChunk(_ share: UInt32) { slab.pointer(share).pointee.chunks &-= 1 }

  // MARK: Fragments

  /// The fragments of one guest.
  final class Reassembly {
    let reassembler: Reassembler
    /// Timer of the oldest incomplete datagram; 0 if there is none.
    var timer: UInt32 = 0

    init(_ reassembler: Reassembler) { self.reassembler = reassembler }
  }

  func reassembly(_ share: UInt32) -> Reassembly? {
    Int(share) < reassemblies.count ? reassemblies[Int(share)] : nil
  }

  func reassembly(_ share: UInt32, or make: () -> Reassembler) -> Reassembly {
    if let known = reassembly(share) { return known }
    while reassemblies.count <= Int(share) { reassemblies.append(nil) }
    let made = Reassembly(make())
    reassemblies[Int(share)] = made
    return made
  }

  /// Drops a guest's incomplete datagrams.
  func endReassembly(_ share: UInt32) {
    guard Int(share) < reassemblies.count else { return }
    reassemblies[Int(share)] = nil
    slab.pointer(share).pointee.fragmentBytes = 0
  }
}
