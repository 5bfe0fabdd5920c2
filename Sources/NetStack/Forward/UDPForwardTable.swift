// SPDX-License-Identifier: Apache-2.0
//
// The clients of UDP forwards: each is a remote endpoint of its own to the guest, so that
// answers find their way back to the right one. Bounded; of the forward with the most the one that
// was silent longest makes room. Loop thread only.

import Wire

/// A client of a UDP forward.
struct UDPForwardClient: UseListed {
  /// The guest's endpoint, and the client as the guest knows it.
  var key: FlowKey
  var listener: UInt32
  /// The client as the host knows it, and the host's address it spoke to.
  var client: Endpoint
  var local: IPAddress
  var lastUsed: UInt64
  /// In the list of its forward.
  var older: UInt32 = 0
  var newer: UInt32 = 0
}

/// Clients by either side.
final class UDPForwardTable {
  static let capacity = 8192
  /// RFC 4787 REQ-5, nanoseconds.
  static let idleTime: UInt64 = 300 * 1_000_000_000
  /// How often idle clients are looked for, nanoseconds.
  static let sweepTime: UInt64 = 30 * 1_000_000_000
  /// Tells the sweep's timer from a listener's.
  static let timerGeneration: UInt32 = 1

  /// A client as the host meets it.
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

  /// 0 when it is full.
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
