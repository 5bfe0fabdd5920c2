// SPDX-License-Identifier: Apache-2.0
//
// Who is here, and what the rest of the network is to know of it: which address belongs to whom
// (for the guard), and which names there are.
//
// In: guests' ports and the stations behind them, and the DHCP server's bindings. Out: what
// changed. A name is there while its guest has its address and its link; of two guests with one
// name the one that came first has it, and the other gets it when that one has left. A value
// without side effects; time is an argument.

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
    package var owner: MACAddress?
  }

  /// What to tell the rest, in this order.
  package struct Changes: Equatable, Sendable {
    package var unbound: [IPAddress] = []
    package var bound: [(IPAddress, MACAddress)] = []
    package var withdrawn: [Record] = []
    package var published: [Record] = []
    package var refused: [Refusal] = []

    package static func == (a: Changes, b: Changes) -> Bool {
      a.unbound == b.unbound && a.withdrawn == b.withdrawn && a.published == b.published
        && a.refused == b.refused && a.bound.elementsEqual(b.bound) { $0 == $1 }
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

  /// A binding whose station is here.
  private struct Claim {
    /// What it wants to be called, without the domain.
    var labels: [String]
    /// IPv4 first, and one of each family at most.
    var addresses: [IPAddress]
    /// Lower came first.
    var rank: UInt64
  }

  /// What guests' names end in.
  private let domain: String
  /// Names that are nobody's but the host's.
  private let reserved: Set<String>
  private var guests: [UInt64: Guest] = [:]
  private var ports: [MACAddress: UInt64] = [:]
  private var claims: [MACAddress: Claim] = [:]
  /// Stations that made room for others of their guest, until they are taken.
  private var dropped: [MACAddress] = []
  /// Stations that have an address or are offered one.
  private var leased: Set<MACAddress> = []
  private var nextRank: UInt64 = 0
  private var bindings: [IPAddress: MACAddress] = [:]
  private var names: [String: (mac: MACAddress, addresses: [IPAddress])] = [:]
  private var refusals: Set<Refusal> = []

  /// Stations remembered of one guest, at most: a guest may have others behind it, or make them up.
  private static let maximumStations = 256
  /// Addresses that one guest may have for itself and what is behind it: no guest takes all.
  package static let maximumLeases = 64

  package init(domain: String, reserved: Set<String>) {
    self.domain = domain
    self.reserved = reserved
  }

  // MARK: Guests

  package mutating func guestUp(_ port: UInt64, name: String) {
    guests[port] = Guest(name: name)
  }

  /// Returns the stations that are gone with the guest.
  package mutating func guestDown(_ port: UInt64) -> [MACAddress] {
    guard let guest = guests.removeValue(forKey: port) else { return [] }
    let gone = guest.stations.filter { ports[$0] == port }
    for mac in gone { ports[mac] = nil }
    return gone
  }

  /// A station was seen behind a port. False when nothing is new, or the port is unknown.
  @discardableResult
  package mutating func station(_ mac: MACAddress, at port: UInt64) -> Bool {
    guard ports[mac] != port, var guest = guests[port] else { return false }
    if !guest.stations.contains(mac) {
      if guest.stations.count >= Self.maximumStations {
        // The oldest without an address goes.
        guard let index = guest.stations.firstIndex(where: { !leased.contains($0) }) else {
          return false
        }
        let old = guest.stations.remove(at: index)
        if ports[old] == port {
          ports[old] = nil
          dropped.append(old)
        }
      }
      guest.stations.append(mac)
      guests[port] = guest
    }
    ports[mac] = port
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
  package mutating func admits(
    _ mac: MACAddress, _ leases: [DHCPLease], now: UInt64
  ) -> DHCPService.Admission {
    guard let port = ports[mac] else { return guests.isEmpty ? .yes : .no }
    var count = 0
    var oldest: DHCPLease?
    for lease in leases where lease.isLive(now) && ports[lease.client.mac] == port {
      if lease.client.mac == mac { return .yes }
      // Also one that was made since the last `update`: it counts, and so its station stays known.
      leased.insert(lease.client.mac)
      count += 1
      if lease.isHeld(now), lease.expiry ?? 0 < oldest?.expiry ?? .max { oldest = lease }
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
    let isFree = names[name].map { $0.mac == mac } ?? true
    return isFree && !reserved.contains(name) ? name : nil
  }

  package var guestCount: Int { guests.count }
  package var nameCount: Int { names.count }

  // MARK: Bindings

  /// Compares with what was told before.
  /// - Parameters:
  ///   - leases: all bindings; those that do not hold at `now` are passed over.
  ///   - addresses: all that hold.
  package mutating func update(
    _ leases: [DHCPLease], _ addresses: [Address6] = [], now: UInt64
  ) -> Changes {
    var changes = Changes()
    let live = leases.filter {
      $0.isLive(now) && ($0.state == .bound || $0.state == .reserved)
    }
    leased = Set(leases.lazy.filter { $0.isLive(now) }.map(\.client.mac))
    updateBindings(
      live.map { ($0.address, $0.client.mac) } + addresses.map { ($0.address, $0.mac) }, &changes)
    updateClaims(live, addresses)
    updateNames(&changes)
    return changes
  }

  private mutating func updateBindings(
    _ live: [(IPAddress, MACAddress)], _ changes: inout Changes
  ) {
    var wanted: [IPAddress: MACAddress] = [:]
    for (address, mac) in live { wanted[address] = mac }
    changes.unbound = bindings.keys.filter { wanted[$0] == nil }.sorted()
    changes.bound = live.filter { bindings[$0.0] != $0.1 }
    bindings = wanted
  }

  private mutating func updateClaims(_ live: [DHCPLease], _ addresses: [Address6]) {
    let primary = Dictionary(
      addresses.lazy.filter(\.isPrimary).map { ($0.mac, $0) },
      uniquingKeysWith: { first, _ in first })
    var next: [MACAddress: Claim] = [:]
    for lease in live where isPresent(lease.client.mac) {
      let mac = lease.client.mac
      claim(
        mac, labels(of: mac, hostname: lease.hostname),
        [lease.address] + (primary[mac].map { [$0.address] } ?? []), &next)
    }
    // Those that have no IPv4 address.
    for (mac, address) in primary.sorted(by: { $0.value.address < $1.value.address })
    where next[mac] == nil && isPresent(mac) {
      claim(mac, labels(of: mac, hostname: address.hostname), [address.address], &next)
    }
    claims = next
  }

  private mutating func claim(
    _ mac: MACAddress, _ labels: [String], _ addresses: [IPAddress],
    _ next: inout [MACAddress: Claim]
  ) {
    if let known = claims[mac] ?? addresses.first.flatMap({ claim(of: $0, besides: mac) }),
      known.labels == labels
    {
      next[mac] = Claim(labels: labels, addresses: addresses, rank: known.rank)
    } else {
      next[mac] = Claim(labels: labels, addresses: addresses, rank: nextRank)
      nextRank += 1
    }
  }

  /// What another station of the same guest had under an address: the guest changed its Ethernet
  /// address.
  private func claim(of address: IPAddress, besides mac: MACAddress) -> Claim? {
    claims.first { $0.value.addresses.contains(address) && isOneGuest($0.key, mac) }?.value
  }

  /// What a guest calls itself, else the name of its link; and as Lima would call an instance of
  /// that name.
  private func labels(of mac: MACAddress, hostname: String) -> [String] {
    let link = guestName(of: mac)
    let own = HostName.label(hostname) ?? HostName.label(link)
    let lima = HostName.limaLabel(link)
    return [own, lima == own ? nil : lima].compactMap { $0 }
  }

  private mutating func updateNames(_ changes: inout Changes) {
    var wanted: [String: (mac: MACAddress, addresses: [IPAddress])] = [:]
    var stillRefused: Set<Refusal> = []
    let ranked = claims.sorted { $0.value.rank < $1.value.rank }
    for (mac, claim, label) in ranked.flatMap({ mac, claim in
      claim.labels.map { (mac, claim, $0) }
    }) {
      let name = "\(label).\(domain)"
      let owner = wanted[name]?.mac
      if owner == nil, !reserved.contains(name) {
        wanted[name] = (mac, claim.addresses)
        continue
      }
      let refusal = Refusal(name: name, mac: mac, owner: owner)
      stillRefused.insert(refusal)
      if !refusals.contains(refusal) { changes.refused.append(refusal) }
    }
    refusals = stillRefused
    changes.withdrawn += records(of: names, besides: wanted)
    changes.published += records(of: wanted, besides: names)
    names = wanted
  }

  private func records(
    of names: [String: (mac: MACAddress, addresses: [IPAddress])],
    besides others: [String: (mac: MACAddress, addresses: [IPAddress])]
  ) -> [Record] {
    names.sorted { $0.key < $1.key }.flatMap { name, entry in
      entry.addresses.filter { others[name]?.addresses.contains($0) != true }
        .map { Record(name: name, address: $0) }
    }
  }
}
