// SPDX-License-Identifier: Apache-2.0
//
// The clients of UDP forwards: each is a distinct remote endpoint to the guest, so that answers reach the right one.
// Bounded; when full, the longest idle client of the forward with the most is removed. Loop thread only.

import Wire

/// A client of a UDP forward.
struct UDPForwardClient: UseListed {
  /// The guest's endpoint, and the client's endpoint as the guest sees it.
  var key: FlowKey
  var listener: UInt32
  /// The client's real endpoint, and the host's address to which it sent.
  var client: Endpoint
  var local: IPAddress
  var lastUsed: UInt64
  /// Its neighbours in the use list of its forward.
  var older: UInt32 = 0
  var newer: UInt32 = 0
}

/// Clients by either side.
final class UDPForwardTable {
  static let capacity = 8192
  /// RFC 4787 REQ-5, nanoseconds.
  static let idleTime: UInt64 = 300 * 1_000_000_000
  /// Interval of the search for idle clients, nanoseconds.
  static let sweepTime: UInt64 = 30 * 1_000_000_000
  /// Distinguishes the sweep's timer from a listener's.
  static let timerGeneration: UInt32 = 1

  /// A client's endpoints on the host's side.
  struct HostKey: Hashable {
    var listener: UInt32
    var client: Endpoint
  }

  var clients = Slab<UDPForwardClient>(capacity: UDPForwardTable.capacity)
  private var byGuest: FlowTable
  private var byHost: [HostKey: UInt32] = [:]
  var timer: UInt32 = 0

  init(seed: UInt64) {
    byGuest = FlowTable(slab: clients, seed: seed)
  }

  var count: Int { clients.count }

  /// The client behind a remote endpoint of the guest; 0 for none.
  @inline(__always)
  func find(_ key: FlowKey) -> UInt32 { byGuest.find(key) }

  func find(_ key: HostKey) -> UInt32 { byHost[key] ?? 0 }

  /// Returns 0 when the table is full.
  func insert(_ client: UDPForwardClient) -> UInt32 {
    let index = clients.insert(client)
    guard index != 0 else { return 0 }
    byGuest.insert(index)
    byHost[HostKey(listener: client.listener, client: client.client)] = index
    return index
  }

  func remove(_ index: UInt32) {
    let client = clients.pointer(index).pointee
    byGuest.remove(index)
    byHost[HostKey(listener: client.listener, client: client.client)] = nil
    clients.remove(index)
  }

  /// Slots of the clients for which `isWanted` holds.
  func indices(where isWanted: (UDPForwardClient) -> Bool) -> [UInt32] {
    (1..<max(clients.endIndex, 1)).filter {
      clients.isTaken($0) && isWanted(clients.pointer($0).pointee)
    }
  }
}
