// SPDX-License-Identifier: Apache-2.0
//
// The reassemblers of a stack, one for each station, on whatever link it is: what a guest leaves
// unfinished takes nobody else's place. Memory of all together is bounded; whoever has most of it
// loses its oldest datagram first (RFC 1122 §3.3.2 leaves the choice).
//
// Loop thread. Time is passed in; the owner asks for `nextDeadline`.

/// See the head of this file.
package final class FragmentTable {
  /// Stations with a reassembler at most; a guest can make up more.
  private static let maximumStations = 1024

  /// Who sent a fragment.
  package struct Station: Hashable, BitwiseCopyable {
    package var link: UInt32
    package var mac: MACAddress

    package init(link: UInt32, mac: MACAddress) {
      self.link = link
      self.mac = mac
    }
  }

  private let limits: Reassembler.Limits
  private let budget: FragmentBudget
  private var reassemblers: [Station: Reassembler] = [:]
  /// Those that delivered something since `releaseDelivered`.
  private var delivering: [Reassembler] = []

  package init(
    limits: Reassembler.Limits = Reassembler.Limits(), budget: FragmentBudget = FragmentBudget()
  ) {
    self.limits = limits
    self.budget = budget
  }

  package var stationCount: Int { reassemblers.count }

  /// When the oldest unfinished datagram is over; nil when there is none. Looks at all stations.
  package var nextDeadline: UInt64? { reassemblers.values.lazy.compactMap(\.nextDeadline).min() }

  /// Takes a fragment; `notify` is told of this station's datagrams that are overdue.
  package func add(
    _ fragment: Fragment, on link: UInt32, now: UInt64,
    notify: (Station, Reassembler.Expired) -> Void
  ) -> Reassembler.Outcome {
    let station = Station(link: link, mac: fragment.sourceMAC)
    let reassembler = reassembler(of: station)
    // The timer may be late by a slot of the wheel.
    reassembler.expire(now: now) { notify(station, $0) }
    makeRoom(for: fragment)
    let outcome = reassembler.add(fragment, now: now)
    if case .complete = outcome { delivering.append(reassembler) }
    return outcome
  }

  package func expire(now: UInt64, notify: (Station, Reassembler.Expired) -> Void) {
    for (station, reassembler) in reassemblers {
      reassembler.expire(now: now) { notify(station, $0) }
      if reassembler.pending.datagrams == 0 { reassemblers[station] = nil }
    }
  }

  /// Nothing points into delivered packets any more.
  @inline(__always)
  package func releaseDelivered() {
    guard !delivering.isEmpty else { return }
    for reassembler in delivering { reassembler.releaseDelivered() }
    delivering.removeAll(keepingCapacity: true)
  }

  package func forget(link: UInt32) {
    reassemblers = reassemblers.filter { $0.key.link != link }
  }

  package func forget(_ station: Station) { reassemblers[station] = nil }

  private func reassembler(of station: Station) -> Reassembler {
    if let known = reassemblers[station] { return known }
    if reassemblers.count >= Self.maximumStations {
      reassemblers = reassemblers.filter { $0.value.pending.datagrams > 0 }
    }
    if reassemblers.count >= Self.maximumStations, let largest = largest {
      reassemblers[largest.key] = nil
    }
    let new = Reassembler(limits: limits, budget: budget)
    reassemblers[station] = new
    return new
  }

  private var largest: (key: Station, value: Reassembler)? {
    reassemblers.max { $0.value.pending.bytes < $1.value.pending.bytes }
  }

  /// Whoever has most gives way.
  private func makeRoom(for fragment: Fragment) {
    let bytes = DatagramBuffer.byteCount(for: fragment.end)
    while budget.used + bytes > budget.limit, let largest, largest.value.dropOldest() {}
  }
}
