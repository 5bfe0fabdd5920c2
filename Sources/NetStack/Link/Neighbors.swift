// SPDX-License-Identifier: Apache-2.0
//
// Which guest has which Ethernet address, and frames that wait to learn it.
//
// Learnt from every ARP packet and every IP packet of the link's own subnet; an address that is
// leased is told instead, and nobody else can claim it. A guest has several IPv6 addresses, old ones among them
// (RFC 8981): the last 128 of each guest are known. A packet to a
// guest that has not spoken yet (a forward's first SYN) waits here while ARP asks; bounded
// in number and time, the oldest goes first (RFC 1122 §2.3.2.2). Loop thread only.

import Wire

/// Neighbours of one link; bounded.
package final class NeighborTable {
  /// Neighbours at most; a guest that makes up addresses pushes out its own.
  private static let maximumNeighbors = 4096
  /// IPv6 addresses of one guest that are not bound.
  static let mostOfGuest = 128
  private static let maximumWaiting = 64
  /// How long a packet waits for an answer, in nanoseconds.
  static let patience: UInt64 = 3_000_000_000

  private struct Neighbor {
    var mac: MACAddress
    /// Leased: `learn` changes nothing.
    var isBound: Bool
    /// It was heard since it came. Only what is bound can be known otherwise.
    var isPresent = true
    /// Whose part of the table it takes (IPv6).
    var share: UInt32 = 0
  }

  /// The IPv6 addresses of a guest in the order in which they were learnt: the oldest makes room.
  private struct Recent {
    var addresses: [IPAddress] = []
    var next = 0
  }

  private var table: [IPAddress: Neighbor] = [:]
  private var boundCount = 0
  private var v6Count = 0
  private var recent: [UInt32: Recent] = [:]
  /// Goes up when an address is, or may be, somewhere else than before.
  private(set) var moves: UInt32 = 0
  /// Something was known once and is not any more.
  private var hasForgotten = false
  private var waiting: [Waiting] = []

  struct Waiting {
    var address: IPAddress
    var frame: [UInt8]
    var deadline: UInt64
  }

  /// The Ethernet address of a neighbour, if it is known.
  package func find(_ address: IPAddress) -> MACAddress? {
    guard let known = table[address], known.isPresent else { return nil }
    return known.mac
  }

  /// Every neighbour known.
  package var all: [IPAddress: MACAddress] { table.mapValues(\.mac) }

  /// Notes where an address is; false when it is bound to another station.
  /// - Parameter share: the guest that an IPv6 address counts against.
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

  /// A new address, which is not bound. One that makes up addresses forgets its own.
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

  /// Says whose an address is, or (nil) that it is anybody's again. Bounded by the caller.
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

  /// Stations are gone: what is not bound to them is nobody's, and what is has to be asked for.
  /// Returns their addresses.
  func forget(_ stations: Set<MACAddress>) -> Set<IPAddress> {
    let theirs = table.filter { stations.contains($0.value.mac) }
    for (address, neighbor) in theirs {
      if neighbor.isBound { table[address]?.isPresent = false } else { remove(address) }
    }
    return Set(theirs.keys)
  }

  /// Whether any frame waits.
  var isAwaited: Bool { !waiting.isEmpty }

  /// Keeps a frame (its destination address still to be written) until `address` is known.
  func wait(_ frame: [UInt8], for address: IPAddress, now: UInt64) {
    waiting.removeAll { $0.deadline <= now }
    if waiting.count >= Self.maximumWaiting { waiting.removeFirst() }
    waiting.append(Waiting(address: address, frame: frame, deadline: now &+ Self.patience))
  }

  /// Takes the frames that waited for `address`.
  func takeWaiting(for address: IPAddress, now: UInt64) -> [[UInt8]] {
    guard !waiting.isEmpty else { return [] }
    let ready = waiting.filter { $0.address == address && $0.deadline > now }.map(\.frame)
    waiting.removeAll { $0.address == address || $0.deadline <= now }
    return ready
  }
}
