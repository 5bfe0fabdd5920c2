// SPDX-License-Identifier: Apache-2.0
//
// EgressLog: the most recent denied flows, one entry per guest and destination. A value; time is an argument. Loop
// thread; cold path.

import Wire

/// Denied flows: their number, and the most recent entries.
package struct EgressLog {
  /// A guest's denied flows to one destination.
  package struct Entry: Equatable {
    package var guest: IPAddress
    package var mac: MACAddress
    package var question: EgressQuestion
    package var reason: EgressReason
    /// Number of flows, and the time of the last one, ns since the start of the stack's clock.
    package var count: UInt64
    package var last: UInt64
  }

  package static let limit = 256

  /// Most recent last.
  package private(set) var entries: [Entry] = []
  /// Number of all denied flows.
  package private(set) var total: UInt64 = 0

  package init() {}

  package mutating func note(
    _ question: EgressQuestion, _ reason: EgressReason, guest: IPAddress, mac: MACAddress,
    now: UInt64
  ) {
    total &+= 1
    var entry = Entry(
      guest: guest, mac: mac, question: question, reason: reason, count: 1, last: now)
    if let index = entries.lastIndex(where: {
      $0.question == question && $0.guest == guest && $0.mac == mac && $0.reason == reason
    }) {
      entry.count = entries[index].count &+ 1
      entries.remove(at: index)
    } else if entries.count >= Self.limit {
      entries.remove(at: crowded())
    }
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
