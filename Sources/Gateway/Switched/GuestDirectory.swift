// SPDX-License-Identifier: Apache-2.0
//
// The guests of a switched network, and what follows from their bindings: which addresses belong to which station (for the
// guard), and the names in DNS.
//
// In: guests' ports and the stations behind them, and which stations have other bindings than before.
// Out: what changed. A name is there while its guest has its address and its link, and its guest's as long as it
// has an address and is away for no more than `nameHold`: of two guests with one name the one that came first has
// it, and the other gets it when the first has given up its lease, or it has ended, or the first stays away. What an update costs goes with the stations that changed, not with
// those that are there. A value without side effects; time is an argument. GuestDirectory+Update.swift: what
// follows from a change.

import NetStack
import Wire

/// The guests of a switched network.
package struct GuestDirectory {
  /// A name of a guest, or of the host, in DNS.
  package struct Record: Hashable, Sendable {
    package var name: String
    package var address: IPAddress
  }

  /// A guest that did not get a name because another has it.
  package struct Refusal: Hashable, Sendable {
    package var name: String
    package var mac: MACAddress
    /// Who has it; nil: the host. In `Changes.ended` nil for a guest that does not want it any more.
    package var owner: MACAddress?
  }

  /// Changes to publish, in this order.
  package struct Changes: Equatable, Sendable {
    package var unbound: [IPAddress] = []
    package var bound: [(IPAddress, MACAddress)] = []
    package var withdrawn: [Record] = []
    package var published: [Record] = []
    package var refused: [Refusal] = []
    /// Refusals that hold no more: the guest has the name, has left, or wants another.
    package var ended: [Refusal] = []

    package static func == (a: Changes, b: Changes) -> Bool {
      a.unbound == b.unbound && a.withdrawn == b.withdrawn && a.published == b.published
        && a.refused == b.refused && a.ended == b.ended
        && a.bound.elementsEqual(b.bound) { $0 == $1 }
    }
  }

  /// A guest of the switch.
  private struct Guest {
    var name: String
    var stations: [MACAddress] = []
  }

  /// An IPv6 address of a station, configured by itself or leased.
  package struct Address6: Hashable, Sendable {
    package var address: IPAddress
    package var mac: MACAddress
    /// Whether it is the station's primary address.
    package var isPrimary: Bool
    /// The station's host name; may be empty.
    package var hostname: String

    package init(address: IPAddress, mac: MACAddress, isPrimary: Bool, hostname: String) {
      self.address = address
      self.mac = mac
      self.isPrimary = isPrimary
      self.hostname = hostname
    }
  }

  /// A station that has or had an address.
  struct Station {
    /// Addresses that the guard has as the station's.
    var addresses: [IPAddress] = []
    var claim: Claim?
    /// Has an address or an offer.
    var isLeased = false
    /// When the next of its bindings ends; .max: never.
    var until: UInt64 = .max
    /// Since when its link is gone, as far as that was noticed; nil: it is here.
    var awaySince: UInt64?
  }

  /// A station with an address, and what it is called.
  struct Claim: Equatable {
    /// The names it wants, without the domain.
    var labels: [String]
    /// IPv4 first, and one of each family at most. None while the station is not here.
    var addresses: [IPAddress]
    /// Of each label; lower came first.
    var ranks: [UInt64] = []

    func rank(of label: String) -> UInt64? {
      labels.firstIndex(of: label).flatMap { $0 < ranks.count ? ranks[$0] : nil }
    }
  }

  /// A name and the stations that want it.
  struct Wish {
    /// Sorted by rank; the first has the name.
    var claimants: [(rank: UInt64, mac: MACAddress)] = []
    /// The addresses published in DNS.
    var told: [IPAddress] = []

    /// Nothing when the station wants it already.
    mutating func add(_ mac: MACAddress, rank: UInt64) {
      guard !claimants.contains(where: { $0.mac == mac }) else { return }
      let index = claimants.firstIndex { $0.rank > rank } ?? claimants.count
      claimants.insert((rank, mac), at: index)
    }
  }

  /// The domain of guests' names.
  let domain: String
  /// Names that guests cannot have.
  let reserved: Set<String>
  private var guests: [UInt64: Guest] = [:]
  private var ports: [MACAddress: UInt64] = [:]
  /// Stations removed in favour of others of their guest since `takeDropped`.
  private var dropped: [MACAddress] = []
  /// Stations found to have an address, or an offer, since the last update.
  var granted: Set<MACAddress> = []
  /// Stations that the next update examines.
  private(set) var pending: Set<MACAddress> = []
  // GuestDirectory+Update.swift
  var known: [MACAddress: Station] = [:]
  var nextRank: UInt64 = 0
  /// Of stations that an earlier process knew, until they are looked at.
  var formerRanks: [MACAddress: UInt64] = [:]
  var bindings: [IPAddress: MACAddress] = [:]
  var wishes: [String: Wish] = [:]
  /// Lower bound of all stations' `until`.
  var nextExpiry: UInt64 = .max
  /// Number of names in DNS.
  package internal(set) var nameCount = 0
  /// Number of stations examined by updates so far.
  package internal(set) var examined: UInt64 = 0

  /// Maximum number of stations recorded for one guest: it may bridge others, or invent them.
  private static let maximumStations = 256
  /// ns after which the name of a guest that is away goes to another that asks for it: more than a restart takes, and
  /// less than somebody waits who makes a machine of that name anew.
  package static let nameHold: UInt64 = 120_000_000_000
  /// Addresses that one guest may have for itself and what is behind it: no guest takes all.
  package static let maximumLeases = 64

  package init(domain: String, reserved: Set<String>) {
    self.domain = domain
    self.reserved = reserved
  }

  // MARK: Guests

  package mutating func guestUp(_ port: UInt64, name: String) {
    if guests[port] != nil { _ = guestDown(port) }
    guests[port] = Guest(name: name)
  }

  /// A guest was renamed; its names change with the next `update`.
  package mutating func guestChanged(_ port: UInt64, name: String) { guests[port]?.name = name }

  /// Returns the stations that were removed with the guest.
  package mutating func guestDown(_ port: UInt64) -> [MACAddress] {
    guard let guest = guests.removeValue(forKey: port) else { return [] }
    let gone = guest.stations.filter { ports[$0] == port }
    for mac in gone { ports[mac] = nil }
    pending.formUnion(gone)
    return gone
  }

  /// A station was seen behind a port. False if that was known, or the port is unknown.
  @discardableResult
  package mutating func station(_ mac: MACAddress, at port: UInt64) -> Bool {
    guard ports[mac] != port, var guest = guests[port] else { return false }
    if !guest.stations.contains(mac) {
      if guest.stations.count >= Self.maximumStations {
        // The oldest without an address is removed.
        guard
          let index = guest.stations.firstIndex(where: {
            known[$0]?.isLeased != true && !granted.contains($0)
          })
        else {
          return false
        }
        let old = guest.stations.remove(at: index)
        if ports[old] == port {
          ports[old] = nil
          dropped.append(old)
        }
        if known[old] != nil { pending.insert(old) }
      }
      guest.stations.append(mac)
      guests[port] = guest
    }
    ports[mac] = port
    pending.insert(mac)
    return true
  }

  /// Stations removed since the last call: nothing of theirs may be kept, since their guest is no longer known.
  package mutating func takeDropped() -> [MACAddress] {
    guard !dropped.isEmpty else { return [] }
    defer { dropped = [] }
    return dropped
  }

  /// Whether a station may have an address: its guest has less than its maximum. Expired leases kept for stations of the
  /// same guest are dropped first, the oldest first.
  /// - Parameter leases: returns all bindings of a station.
  package mutating func admits(
    _ mac: MACAddress, now: UInt64, leases: (MACAddress) -> [DHCPLease]
  ) -> DHCPService.Admission {
    guard let port = ports[mac], let guest = guests[port] else {
      return guests.isEmpty ? .yes : .no
    }
    if leases(mac).contains(where: { $0.isLive(now) }) { return .yes }
    var count = 0
    var oldest: DHCPLease?
    for station in guest.stations where ports[station] == port {
      for lease in leases(station) where lease.isLive(now) {
        count += 1
        // Includes a lease made since the last update: it counts, and its station stays recorded.
        granted.insert(station)
        if lease.isHeld(now), lease.expiry ?? 0 < oldest?.expiry ?? .max { oldest = lease }
      }
    }
    if count < Self.maximumLeases { return .yes }
    return oldest.map { .instead(of: $0.address) } ?? .no
  }

  package func isPresent(_ mac: MACAddress) -> Bool { ports[mac] != nil }

  /// The port of the guest that a station was last seen behind; 0: none.
  package func port(of mac: MACAddress) -> UInt64 { ports[mac] ?? 0 }

  /// Whether two stations were last seen behind the same guest's port.
  package func isOneGuest(_ a: MACAddress, _ b: MACAddress) -> Bool {
    ports[a].map { $0 == ports[b] } ?? false
  }

  /// Whether the station is the only one of the only guest.
  package func isAlone(_ mac: MACAddress) -> Bool {
    guests.count <= 1 && guests.values.allSatisfy { $0.stations.allSatisfy { $0 == mac } }
  }

  /// The name of the guest that a station belongs to.
  package func guestName(of mac: MACAddress) -> String {
    ports[mac].flatMap { guests[$0]?.name } ?? ""
  }

  /// The full name that a station has or would get for a host name; nil if none, or if another station has it.
  package func fullName(_ hostname: String, of mac: MACAddress) -> String? {
    guard let label = HostName.label(hostname) ?? HostName.label(guestName(of: mac)) else {
      return nil
    }
    let name = "\(label).\(domain)"
    let isFree = wishes[name]?.claimants.first.map { $0.mac == mac } ?? true
    return isFree && !reserved.contains(name) ? name : nil
  }

  package var guestCount: Int { guests.count }

  // MARK: The order in which names were taken

  /// Stations of an earlier process, in the order in which they took their names.
  package mutating func restore(order: some Sequence<MACAddress>) {
    for mac in order where formerRanks[mac] == nil {
      formerRanks[mac] = nextRank
      nextRank += 1
    }
  }

  /// Those of them without a binding that holds begin anew.
  package mutating func forgetOrder() { formerRanks = [:] }

  /// Leases, those of stations first that took their names earlier.
  package func inOrder(_ leases: [DHCPLease]) -> [DHCPLease] {
    leases.map { (known[$0.client.mac]?.claim?.ranks.first ?? .max, $0) }
      .sorted { ($0.0, $0.1.address) < ($1.0, $1.1.address) }
      .map(\.1)
  }

  // MARK: What the next update looks at

  /// Bindings of these stations have changed.
  package mutating func changed(_ stations: some Sequence<MACAddress>) {
    pending.formUnion(stations)
  }

  /// Adds stations with a binding that has ended.
  mutating func expire(now: UInt64) {
    guard nextExpiry <= now else { return }
    nextExpiry = .max
    for (mac, station) in known {
      if station.until <= now {
        pending.insert(mac)
      } else {
        nextExpiry = min(nextExpiry, station.until)
      }
    }
  }

  /// Takes up to `limit` stations.
  mutating func takePending(_ limit: Int) -> [MACAddress] {
    if pending.count <= limit {
      defer { pending = [] }
      return Array(pending)
    }
    let some = Array(pending.prefix(limit))
    pending.subtract(some)
    return some
  }
}
