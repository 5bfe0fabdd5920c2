// SPDX-License-Identifier: Apache-2.0
//
// Which addresses a DHCP server has to give, and to whom.

import Wire

package enum DHCPPolicy: Sendable {
  /// The one guest of an isolated link has this address, whatever it calls itself: a boot
  /// loader, its kernel and its system are three clients to DHCP, but the same guest.
  case single(IPAddress)
  /// Guests share a network.
  case pool(DHCPPool)
}

/// A range of addresses and those of it that are spoken for.
package struct DHCPPool: Sendable {
  package let first: IPAddress
  package let last: IPAddress
  /// Never given: the gateway, the name server.
  package let excluded: Set<IPAddress>
  /// Addresses of certain stations; they may lie outside the range.
  package let reservations: [MACAddress: IPAddress]
  private let reserved: Set<IPAddress>
  /// Not given to new clients, but left to one that has it since an earlier server.
  package var retired: Set<IPAddress> = []

  /// The most addresses of a range; what lies beyond is not given.
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

  /// Whether a client may keep it that had it before.
  func isRestorable(_ address: IPAddress) -> Bool {
    retired.contains(address) || isDynamic(address)
  }

  /// Whether the configuration keeps it for a certain station.
  func isReserved(_ address: IPAddress) -> Bool { reserved.contains(address) }

  /// Whether a client without a reservation may have it.
  func isDynamic(_ address: IPAddress) -> Bool {
    address.isV4 && first <= address && address <= last && !excluded.contains(address)
      && !reserved.contains(address) && !retired.contains(address)
  }

  /// An address that nobody has: the lowest that never was anybody's, then the one that
  /// is unused for longest, then the oldest lease whose station is not there, at last one that was
  /// declined longest ago.
  /// - Parameters:
  ///   - knowsStations: the leases say whose station is there.
  ///   - isUsed: whether somebody is known to use it without a lease.
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
      // What costs most is asked last, and of few: a full pool is looked through for each discovery.
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

  /// Where none is free, one that may have become so: of leases that are over and kept for a station
  /// that is there, the oldest; then an address that was used without a lease.
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
