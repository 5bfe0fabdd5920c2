// SPDX-License-Identifier: Apache-2.0
//
// EgressLog: flows that were denied or ended by other rules, the last ones, each destination of a guest once. A value; time
// is an argument. Loop thread; cold path.

import Wire

/// Denied and ended flows: how many, and the last of them.
package struct EgressLog {
  /// A guest's denied flows to one destination.
  package struct Entry: Equatable {
    package var guest: IPAddress
    package var mac: MACAddress
    /// The guest's name at that time; "": unknown.
    package var name = ""
    package var question: EgressQuestion
    package var reason: EgressReason
    /// How often it was denied.
    package var count: UInt64 = 0
    /// How many that were open ended, because other rules came to hold.
    package var ended: UInt64 = 0
    /// When either happened for the last time, ns since the start of the stack's clock.
    package var last: UInt64
  }

  package static let limit = 256

  /// Most recent last.
  package private(set) var entries: [Entry] = []
  /// Number of all denied flows.
  package private(set) var total: UInt64 = 0
  /// All flows that other rules ended.
  package private(set) var ended: UInt64 = 0

  package init() {}

  package mutating func note(
    _ question: EgressQuestion, _ reason: EgressReason, guest: IPAddress, mac: MACAddress,
    name: String = "", now: UInt64
  ) {
    total &+= 1
    change(
      Entry(
        guest: guest, mac: mac, name: name, question: question, reason: reason, last: now)
    ) {
      $0.count &+= 1
    }
  }

  /// Records an open flow that ended because the rules deny it now.
  package mutating func noteEnd(
    _ question: EgressQuestion, _ reason: EgressReason, guest: IPAddress, mac: MACAddress,
    name: String = "", now: UInt64
  ) {
    ended &+= 1
    change(
      Entry(
        guest: guest, mac: mac, name: name, question: question, reason: reason, last: now)
    ) {
      $0.ended &+= 1
    }
  }

  private mutating func change(_ new: Entry, _ count: (inout Entry) -> Void) {
    var entry = new
    if let index = entries.lastIndex(where: {
      $0.question == new.question && $0.guest == new.guest && $0.mac == new.mac
        && $0.reason == new.reason
    }) {
      entry = entries.remove(at: index)
      entry.last = new.last
      if !new.name.isEmpty { entry.name = new.name }
    } else if entries.count >= Self.limit {
      entries.remove(at: crowded())
    }
    count(&entry)
    entries.append(entry)
  }

  /// The oldest entry of the guest with the most: one guest's scan does not displace the entries of others.
  private func crowded() -> Int {
    var counts: [MACAddress: Int] = [:]
    for entry in entries { counts[entry.mac, default: 0] += 1 }
    let most = counts.values.max() ?? 0
    return entries.firstIndex { counts[$0.mac] == most } ?? 0
  }
}
