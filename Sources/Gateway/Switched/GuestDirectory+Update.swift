// SPDX-License-Identifier: Apache-2.0
//
// Derives changes for guard and DNS from changed bindings of stations: examines those stations, and others only if they
// want one of their names.

import NetStack
import Wire

extension GuestDirectory {
  /// Maximum number of stations examined in one loop iteration.
  package static let stationsAtOnce = 256

  /// The present bindings of a station.
  package struct Bindings {
    /// All of its leases; those not in effect are skipped.
    package var leases: [DHCPLease]
    /// All IPv6 addresses in effect.
    package var addresses6: [Address6]

    package init(leases: [DHCPLease], addresses6: [Address6] = []) {
      self.leases = leases
      self.addresses6 = addresses6
    }
  }

  /// A station under examination, with its data.
  private struct Review {
    var mac: MACAddress
    /// Sort key of several reviews.
    var address: IPAddress?
    var next: Station
  }

  /// Whether stations are left for another update.
  package var isPending: Bool { !pending.isEmpty }

  /// Compares the stations' bindings with those published before.
  /// - Parameters:
  ///   - limit: maximum number of stations to examine.
  ///   - bindings: returns a station's bindings.
  package mutating func update(
    now: UInt64, limit: Int = stationsAtOnce, _ bindings: (MACAddress) -> Bindings
  ) -> Changes {
    expire(now: now)
    var changes = Changes()
    var reviews: [Review] = []
    for mac in takePending(limit) {
      examined &+= 1
      granted.remove(mac)
      let review = review(mac, bindings(mac), now: now)
      if review.address != nil || known[mac] != nil { reviews.append(review) }
    }
    reviews.sort { a, b in
      guard let (first, second) = a.address.flatMap({ a in b.address.map { (a, $0) } }) else {
        return a.address != nil
      }
      return (first, a.mac.rawValue) < (second, b.mac.rawValue)
    }
    for index in reviews.indices { rank(&reviews[index]) }
    updateBindings(reviews, &changes)
    updateNames(reviews, &changes)
    for review in reviews {
      let isNothing = review.next.addresses.isEmpty && !review.next.isLeased
      known[review.mac] = isNothing ? nil : review.next
      nextExpiry = min(nextExpiry, review.next.until)
    }
    return changes
  }

  private func review(_ mac: MACAddress, _ bindings: Bindings, now: UInt64) -> Review {
    let live = bindings.leases.filter { $0.isLive(now) }
    let own = live.filter { $0.state == .bound || $0.state == .reserved }
    var next = Station()
    next.isLeased = !live.isEmpty
    next.addresses = own.map(\.address) + bindings.addresses6.map(\.address)
    // While its station is present a lease ends only by a change.
    next.until =
      live.filter { !($0.isPresent && $0.state == .bound) }.compactMap(\.expiry).min() ?? .max
    let primary = bindings.addresses6.first(where: \.isPrimary)
    let addresses = [own.last?.address, primary?.address].compactMap { $0 }
    if isPresent(mac), !addresses.isEmpty {
      next.claim = Claim(
        labels: labels(of: mac, hostname: own.last?.hostname ?? primary?.hostname ?? ""),
        addresses: addresses, rank: .max)
    }
    return Review(mac: mac, address: next.addresses.first ?? live.first?.address, next: next)
  }

  /// A claim keeps its rank while it wants the same names, also when another station of the same guest claims them, which
  /// is a change of the guest's Ethernet address.
  private mutating func rank(_ review: inout Review) {
    guard let claim = review.next.claim else { return }
    let before =
      known[review.mac]?.claim
      ?? claim.addresses.first.flatMap { bindings[$0] }
      .flatMap { isOneGuest($0, review.mac) ? known[$0]?.claim : nil }
    if let before, before.labels == claim.labels {
      review.next.claim?.rank = before.rank
    } else {
      review.next.claim?.rank = nextRank
      nextRank += 1
    }
  }

  /// The labels that a station wants: its own host name, or else its link's name; and the label that Lima uses for an
  /// instance of that name.
  private func labels(of mac: MACAddress, hostname: String) -> [String] {
    let link = guestName(of: mac)
    let own = HostName.label(hostname) ?? HostName.label(link)
    let lima = HostName.limaLabel(link)
    return [own, lima == own ? nil : lima].compactMap { $0 }
  }

  // MARK: The guard

  private mutating func updateBindings(_ reviews: [Review], _ changes: inout Changes) {
    var former: [IPAddress: MACAddress] = [:]
    for review in reviews {
      for address in known[review.mac]?.addresses ?? [] where bindings[address] == review.mac {
        bindings[address] = nil
        former[address] = review.mac
      }
    }
    for review in reviews {
      for address in review.next.addresses {
        let before = bindings.updateValue(review.mac, forKey: address) ?? former[address]
        if before != review.mac { changes.bound.append((address, review.mac)) }
      }
    }
    changes.unbound = former.keys.filter { bindings[$0] == nil }.sorted()
  }

  // MARK: DNS

  private mutating func updateNames(_ reviews: [Review], _ changes: inout Changes) {
    // Names whose owner or whose owner's addresses may have changed.
    var touched: Set<String> = []
    var claims: [(name: String, mac: MACAddress, claim: Claim)] = []
    for review in reviews {
      let (before, after) = (known[review.mac]?.claim, review.next.claim)
      guard before != after else { continue }
      for label in before?.labels ?? [] {
        let name = "\(label).\(domain)"
        touched.insert(name)
        if before?.rank != after?.rank || after?.labels.contains(label) != true {
          wishes[name]?.claimants.removeAll { $0.mac == review.mac }
        }
      }
      for label in after?.labels ?? [] {
        guard let after else { continue }
        claims.append(("\(label).\(domain)", review.mac, after))
      }
    }
    for (name, mac, claim) in claims {
      touched.insert(name)
      guard wishes[name, default: Wish()].add(mac, rank: claim.rank) else { continue }
      let owner = reserved.contains(name) ? nil : wishes[name]?.claimants.first?.mac
      if owner != mac { changes.refused.append(Refusal(name: name, mac: mac, owner: owner)) }
    }
    let next = Dictionary(
      reviews.map { ($0.mac, $0.next.claim) }, uniquingKeysWith: { first, _ in first })
    for name in touched.sorted() {
      guard var wish = wishes[name] else { continue }
      var wanted: [IPAddress] = []
      if let owner = wish.claimants.first?.mac, !reserved.contains(name) {
        wanted = (next[owner] ?? known[owner]?.claim)?.addresses ?? []
      }
      changes.withdrawn += records(name, wish.told, besides: wanted)
      changes.published += records(name, wanted, besides: wish.told)
      nameCount += (wanted.isEmpty ? 0 : 1) - (wish.told.isEmpty ? 0 : 1)
      wish.told = wanted
      wishes[name] = wish.claimants.isEmpty ? nil : wish
    }
  }

  private func records(
    _ name: String, _ addresses: [IPAddress], besides others: [IPAddress]
  ) -> [Record] {
    addresses.filter { !others.contains($0) }.map { Record(name: name, address: $0) }
  }
}
