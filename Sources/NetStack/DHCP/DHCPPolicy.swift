// SPDX-License-Identifier: Apache-2.0
//
// The addresses of a DHCP server, and which clients may have them.

import Wire

package enum DHCPPolicy: Sendable {
  /// The single guest of an isolated link always has this address: a boot loader, its kernel and its system are three
  /// DHCP clients, but one guest.
  case single(IPAddress)
  /// Guests share a network.
  case pool(DHCPPool)
}

/// A range of addresses with its exclusions and reservations.
package struct DHCPPool: Sendable {
  package let first: IPAddress
  package let last: IPAddress
  /// Never assigned: the gateway, the name server.
  package let excluded: Set<IPAddress>
  /// Addresses of specific stations; they may lie outside the range.
  package let reservations: [MACAddress: IPAddress]
  private let reserved: Set<IPAddress>
  /// Not assigned to new clients, but kept by a client that has it from an earlier server.
  package var retired: Set<IPAddress> = []

  /// Maximum addresses of a range; the rest is not assigned.
  package static let maximumSize: UInt32 = 4096

  package init(
    first: IPAddress, last: IPAddress, excluded: Set<IPAddress> = [],
    reservations: [MACAddress: IPAddress] = [:]
  ) {
    self.first = first
    let limit = first.v4.addingReportingOverflow(DHCPPool.maximumSize - 1)
    self.last = min(last, IPAddress(v4: limit.overflow ? .max : limit.partialValue))
    self.excluded = excluded
    self.reservations = reservations
    reserved = Set(reservations.values)
  }

  /// Whether a client that had it before may keep it.
  func isRestorable(_ address: IPAddress) -> Bool {
    retired.contains(address) || isDynamic(address)
  }

  /// Whether it is reserved for a station.
  func isReserved(_ address: IPAddress) -> Bool { reserved.contains(address) }

  /// Whether a client without a reservation may have it.
  func isDynamic(_ address: IPAddress) -> Bool {
    address.isV4 && first <= address && address <= last && !excluded.contains(address)
      && !reserved.contains(address) && !retired.contains(address)
  }

  /// An unused address: the lowest that was never assigned, then the one unused for longest, then the oldest lease
  /// whose station is not on the network, and finally the one declined longest ago.
  /// - Parameters:
  ///   - knowsStations: whether the leases' `isPresent` is known.
  ///   - isUsed: whether an address is known to be used without a lease.
  func freeAddress(
    in table: DHCPLeaseTable, now: UInt64, knowsStations: Bool, isUsed: (IPAddress) -> Bool
  ) -> IPAddress? {
    guard first.isV4, first <= last else { return nil }
    var leases = table.leases[...].drop { $0.address < first }
    var reusable: DHCPLease?
    var abandoned: DHCPLease?
    var declined: DHCPLease?
    for number in first.v4...last.v4 {
      let address = IPAddress(v4: number)
      guard let lease = leases.first, lease.address == address else {
        if isDynamic(address), !isUsed(address) { return address }
        continue
      }
      leases = leases.dropFirst()
      // The expensive checks come last and for few leases: each discover searches a full pool.
      func mayBe(_ other: DHCPLease?) -> Bool {
        DHCPPool.isOlder(lease, than: other) && isDynamic(address) && !isUsed(address)
      }
      if lease.state == .declined {
        if mayBe(declined) { declined = lease }
      } else if !lease.isLive(now) {
        if mayBe(reusable) { reusable = lease }
      } else if knowsStations, lease.state == .bound, !lease.isPresent {
        if mayBe(abandoned) { abandoned = lease }
      }
    }
    return (reusable ?? abandoned ?? declined)?.address
  }

  /// When none is free, one that may have become so: the oldest expired lease kept for a station on the network; then
  /// an address that was used without a lease.
  func doubtfulAddress(
    in table: DHCPLeaseTable, now: UInt64, isExcluded: (IPAddress) -> Bool
  ) -> IPAddress? {
    guard first.isV4, first <= last else { return nil }
    var held: DHCPLease?
    for lease in table.leases
    where lease.isHeld(now) && isDynamic(lease.address) && !isExcluded(lease.address) {
      if DHCPPool.isOlder(lease, than: held) { held = lease }
    }
    if let held { return held.address }
    var leases = table.leases[...].drop { $0.address < first }
    for number in first.v4...last.v4 {
      let address = IPAddress(v4: number)
      var isLeased = false
      if let lease = leases.first, lease.address == address {
        leases = leases.dropFirst()
        isLeased = lease.isLive(now) && (lease.isPresent || lease.state != .bound)
      }
      if !isLeased, isDynamic(address), !isExcluded(address) { return address }
    }
    return nil
  }

  private static func isOlder(_ lease: DHCPLease, than other: DHCPLease?) -> Bool {
    guard let other else { return true }
    return (lease.expiry ?? .max) < (other.expiry ?? .max)
  }
}
