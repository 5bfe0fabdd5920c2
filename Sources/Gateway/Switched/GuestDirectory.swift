// SPDX-License-Identifier: Apache-2.0
//
// Who is here, and what the rest of the network is to know of it: which address belongs to whom
// (for the guard), and which names there are.
//
// In: guests' ports and the stations behind them, and which stations have other bindings than before.
// Out: what changed. A name is there while its guest has its address and its link, and its guest's as long as it
// has an address and is away for no more than `nameHold`: of two guests with one name the one that came first has
// it, and the other gets it when the first has given up its lease, or it has ended, or the first stays away. What an update costs goes with the stations that changed, not with
// those that are there. A value without side effects; time is an argument. GuestDirectory+Update.swift: what
// follows from a change.

import NetStack
import Wire

/// See the head of this file.
package struct GuestDirectory {
  /// The name of a guest, or of the host, in DNS.
  package struct Record: Hashable, Sendable {
    package var name: String
    package var address: IPAddress
  }

  /// A guest that did not get the name it wants.
  package struct Refusal: Hashable, Sendable {
    package var name: String
    package var mac: MACAddress
    /// Who has it; nil: the host. In `Changes.ended` nil for a guest that does not want it any more.
    package var owner: MACAddress?
  }

  /// What to tell the rest, in this order.
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

  /// An IPv6 address of a station: it made it, or has leased it.
  package struct Address6: Hashable, Sendable {
    package var address: IPAddress
    package var mac: MACAddress
    /// The one by which the station is known.
    package var isPrimary: Bool
    /// What the station calls itself; may be empty.
    package var hostname: String

    package init(address: IPAddress, mac: MACAddress, isPrimary: Bool, hostname: String) {
      self.address = address
      self.mac = mac
      self.isPrimary = isPrimary
      self.hostname = hostname
    }
  }

  /// What is known of a station that has or had an address.
  struct Station {
    /// The guard knows them as its own.
    var addresses: [IPAddress] = []
    var claim: Claim?
    /// Has an address or is offered one.
    var isLeased = false
    /// When something of that ends by itself; .max: nothing does.
    var until: UInt64 = .max
    /// Since when its link is gone, as far as that was noticed; nil: it is here.
    var awaySince: UInt64?
  }

  /// A station with an address, and what it is called.
  struct Claim: Equatable {
    /// What it wants to be called, without the domain.
    var labels: [String]
    /// IPv4 first, and one of each family at most. None while the station is not here.
    var addresses: [IPAddress]
    /// Of each label; lower came first.
    var ranks: [UInt64] = []

    func rank(of label: String) -> UInt64? {
      labels.firstIndex(of: label).flatMap { $0 < ranks.count ? ranks[$0] : nil }
    }
  }

  /// A name, and who wants it.
  struct Wish {
    /// Lower ranks first; the first has it.
    var claimants: [(rank: UInt64, mac: MACAddress)] = []
    /// What DNS was told.
    var told: [IPAddress] = []

    /// Nothing when the station wants it already.
    mutating func add(_ mac: MACAddress, rank: UInt64) {
      guard !claimants.contains(where: { $0.mac == mac }) else { return }
      let index = claimants.firstIndex { $0.rank > rank } ?? claimants.count
      claimants.insert((rank, mac), at: index)
    }
  }

  /// What guests' names end in.
  let domain: String
  /// Names that are nobody's but the host's.
  let reserved: Set<String>
  private var guests: [UInt64: Guest] = [:]
  private var ports: [MACAddress: UInt64] = [:]
  /// Stations that made room for others of their guest, until they are taken.
  private var dropped: [MACAddress] = []
  /// Stations that were found to have an address, or an offer of one, since the last update.
  var granted: Set<MACAddress> = []
  /// Stations that the next update looks at.
  private(set) var pending: Set<MACAddress> = []
  // GuestDirectory+Update.swift
  var known: [MACAddress: Station] = [:]
  var nextRank: UInt64 = 0
  /// Of stations that an earlier process knew, until they are looked at.
  var formerRanks: [MACAddress: UInt64] = [:]
  var bindings: [IPAddress: MACAddress] = [:]
  var wishes: [String: Wish] = [:]
  /// No station's `until` comes before this.
  var nextExpiry: UInt64 = .max
  /// Names that are somebody's.
  package internal(set) var nameCount = 0
  /// Stations that updates have looked at.
  package internal(set) var examined: UInt64 = 0

  /// Stations remembered of one guest, at most: a guest may have others behind it, or make them up.
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

  /// It is called something else; `update` has its names follow.
  package mutating func guestChanged(_ port: UInt64, name: String) { guests[port]?.name = name }

  /// Returns the stations that are gone with the guest.
  package mutating func guestDown(_ port: UInt64) -> [MACAddress] {
    guard let guest = guests.removeValue(forKey: port) else { return [] }
    let gone = guest.stations.filter { ports[$0] == port }
    for mac in gone { ports[mac] = nil }
    pending.formUnion(gone)
    return gone
  }

  /// A station was seen behind a port. False when nothing is new, or the port is unknown.
  @discardableResult
  package mutating func station(_ mac: MACAddress, at port: UInt64) -> Bool {
    guard ports[mac] != port, var guest = guests[port] else { return false }
    if !guest.stations.contains(mac) {
      if guest.stations.count >= Self.maximumStations {
        // The oldest without an address goes.
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

  /// Stations that are forgotten since the last call: nothing of theirs may be left, for nobody would know whose it is.
  package mutating func takeDropped() -> [MACAddress] {
    guard !dropped.isEmpty else { return [] }
    defer { dropped = [] }
    return dropped
  }

  /// Whether a station may have an address: its guest has not had its share yet. What is over and
  /// only kept for a station of the same guest gives way, the oldest first.
  /// - Parameter leases: all bindings of a station.
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
        // Also one that was made since the last update: it counts, and so its station stays known.
        granted.insert(station)
        if lease.isHeld(now), lease.expiry ?? 0 < oldest?.expiry ?? .max { oldest = lease }
      }
    }
    if count < Self.maximumLeases { return .yes }
    return oldest.map { .instead(of: $0.address) } ?? .no
  }

  package func isPresent(_ mac: MACAddress) -> Bool { ports[mac] != nil }

  /// The guest that a station was last seen behind; 0: none.
  package func port(of mac: MACAddress) -> UInt64 { ports[mac] ?? 0 }

  /// Whether two stations were last seen behind one guest's port.
  package func isOneGuest(_ a: MACAddress, _ b: MACAddress) -> Bool {
    ports[a].map { $0 == ports[b] } ?? false
  }

  /// Whether there is no guest but the one that a station is behind, and nothing else behind that.
  package func isAlone(_ mac: MACAddress) -> Bool {
    guests.count <= 1 && guests.values.allSatisfy { $0.stations.allSatisfy { $0 == mac } }
  }

  /// The name of the guest that a station is behind.
  package func guestName(of mac: MACAddress) -> String {
    ports[mac].flatMap { guests[$0]?.name } ?? ""
  }

  /// The name that a station gets, or has, when it calls itself so; nil: none, or somebody else has it.
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

  /// Bindings of these stations changed.
  package mutating func changed(_ stations: some Sequence<MACAddress>) {
    pending.formUnion(stations)
  }

  /// Stations with something that ended by itself are looked at, too.
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

  /// Takes up to `limit` of them.
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
