// SPDX-License-Identifier: Apache-2.0
//
// Which guest has which Ethernet address, and frames that wait to learn it.
//
// Learnt from every ARP packet and every IP packet of the link's own subnet. A packet to a
// guest that has not spoken yet (a forward's first SYN) waits here while ARP asks; bounded
// in number and time, the oldest goes first (RFC 1122 §2.3.2.2). Loop thread only.

/// Neighbours of one link; bounded.
package final class NeighborTable {
  /// Neighbours at most; a guest that makes up addresses pushes out its own.
  private static let maximumNeighbors = 4096
  private static let maximumWaiting = 64
  /// How long a packet waits for an answer, in nanoseconds.
  static let patience: UInt64 = 3_000_000_000

  private var table: [IPAddress: MACAddress] = [:]
  private var waiting: [Waiting] = []

  struct Waiting {
    var address: IPAddress
    var frame: [UInt8]
    var deadline: UInt64
  }

  /// The Ethernet address of a neighbour, if it is known.
  package func find(_ address: IPAddress) -> MACAddress? { table[address] }

  /// Every neighbour known.
  package var all: [IPAddress: MACAddress] { table }

  /// Notes where an address is; returns whether that is news.
  package func learn(_ address: IPAddress, at mac: MACAddress) -> Bool {
    if table[address] == mac { return false }
    if table.count >= Self.maximumNeighbors, table[address] == nil {
      table.removeAll(keepingCapacity: true)
    }
    table[address] = mac
    return true
  }

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
