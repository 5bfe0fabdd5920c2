// SPDX-License-Identifier: Apache-2.0
//
// The neighbor table: the guests' Ethernet addresses, and frames that wait for address resolution.
//
// Learned from every ARP packet and every IP packet of the link's own subnet; a leased address is bound instead, and
// no other station can claim it. A guest has several IPv6 addresses, old ones among them (RFC 8981): the last 128 of
// each guest are kept. A packet to an unknown guest (a forward's first SYN) waits here for ARP; bounded in number and
// time, the oldest is dropped first (RFC 1122 §2.3.2.2). Loop thread only.

import Wire

/// The neighbors of one link; bounded.
package final class NeighborTable {
  /// Maximum neighbors; a guest that invents addresses evicts its own.
  private static let maximumNeighbors = 4096
  /// Maximum unbound IPv6 addresses of one guest.
  static let mostOfGuest = 128
  private static let maximumWaiting = 64
  /// How long a packet waits for address resolution, in nanoseconds.
  static let patience: UInt64 = 3_000_000_000

  private struct Neighbor {
    var mac: MACAddress
    /// Leased: `learn` does not change it.
    var isBound: Bool
    /// A frame from it was received. False only for a bound entry.
    var isPresent = true
    /// The share to which it is charged (IPv6).
    var share: UInt32 = 0
  }

  /// The IPv6 addresses of a guest in the order in which they were learned: the oldest is evicted first.
  private struct Recent {
    var addresses: [IPAddress] = []
    var next = 0
  }

  private var table: [IPAddress: Neighbor] = [:]
  private var boundCount = 0
  private var v6Count = 0
  private var recent: [UInt32: Recent] = [:]
  /// Incremented when an address has, or may have, moved.
  private(set) var moves: UInt32 = 0
  /// Whether an entry was ever removed.
  private var hasForgotten = false
  private var waiting: [Waiting] = []

  struct Waiting {
    var address: IPAddress
    var frame: [UInt8]
    var deadline: UInt64
  }

  /// The Ethernet address of a neighbor, if known.
  package func find(_ address: IPAddress) -> MACAddress? {
    guard let known = table[address], known.isPresent else { return nil }
    return known.mac
  }

  /// All known neighbors.
  package var all: [IPAddress: MACAddress] { table.mapValues(\.mac) }

  /// Learns the station of an address; false when it is bound to another.
  /// - Parameter share: the guest to which an IPv6 address is charged.
  func learn(_ address: IPAddress, at mac: MACAddress, of share: UInt32 = 0) -> Bool {
    if let known = table[address] {
      if known.mac == mac {
        if !known.isPresent { table[address]?.isPresent = true }
        return true
      }
      if known.isBound { return false }
      moves &+= 1
      if !address.isV4 {
        table[address]?.mac = mac
        return true
      }
    } else if !address.isV4 {
      learnV6(address, at: mac, of: share)
      return true
    } else if table.count - v6Count - boundCount >= Self.maximumNeighbors {
      table = table.filter { $0.value.isBound || !$0.key.isV4 }
      hasForgotten = true
    }
    if hasForgotten, table[address] == nil { moves &+= 1 }
    table[address] = Neighbor(mac: mac, isBound: false)
    return true
  }

  /// Adds an unbound address. A guest over its maximum evicts its own oldest.
  private func learnV6(_ address: IPAddress, at mac: MACAddress, of share: UInt32) {
    if hasForgotten { moves &+= 1 }
    var own = recent.removeValue(forKey: share) ?? Recent()
    if own.addresses.count < Self.mostOfGuest {
      own.addresses.append(address)
    } else {
      let oldest = own.addresses[own.next]
      if let known = table[oldest], !known.isBound, known.share == share {
        remove(oldest)
        hasForgotten = true
      }
      own.addresses[own.next] = address
      own.next = (own.next + 1) % Self.mostOfGuest
    }
    recent[share] = own
    table[address] = Neighbor(mac: mac, isBound: false, share: share)
    v6Count += 1
  }

  private func remove(_ address: IPAddress) {
    guard let known = table.removeValue(forKey: address), !address.isV4, !known.isBound else {
      return
    }
    v6Count -= 1
  }

  /// Binds an address to a station, or with nil unbinds it. The caller bounds the number.
  func bind(_ address: IPAddress, to mac: MACAddress?, isPresent: Bool = true) {
    if let known = table[address] {
      if known.isBound { boundCount -= 1 } else if !address.isV4 { v6Count -= 1 }
    }
    if let mac {
      if table[address].map({ $0.mac != mac }) ?? hasForgotten { moves &+= 1 }
    } else {
      hasForgotten = true
    }
    table[address] = mac.map { Neighbor(mac: $0, isBound: true, isPresent: isPresent) }
    if mac != nil { boundCount += 1 }
  }

  /// Stations are gone: removes their unbound addresses; their bound ones must be resolved again. Returns their
  /// addresses.
  func forget(_ stations: Set<MACAddress>) -> Set<IPAddress> {
    let theirs = table.filter { stations.contains($0.value.mac) }
    for (address, neighbor) in theirs {
      if neighbor.isBound { table[address]?.isPresent = false } else { remove(address) }
    }
    return Set(theirs.keys)
  }

  /// Whether any frame waits.
  var isAwaited: Bool { !waiting.isEmpty }

  /// Queues a frame (its destination address still missing) until `address` is resolved.
  func wait(_ frame: [UInt8], for address: IPAddress, now: UInt64) {
    waiting.removeAll { $0.deadline <= now }
    if waiting.count >= Self.maximumWaiting { waiting.removeFirst() }
    waiting.append(Waiting(address: address, frame: frame, deadline: now &+ Self.patience))
  }

  /// Removes and returns the frames that waited for `address`.
  func takeWaiting(for address: IPAddress, now: UInt64) -> [[UInt8]] {
    guard !waiting.isEmpty else { return [] }
    let ready = waiting.filter { $0.address == address && $0.deadline > now }.map(\.frame)
    waiting.removeAll { $0.address == address || $0.deadline <= now }
    return ready
  }
}
