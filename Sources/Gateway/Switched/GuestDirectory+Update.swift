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
    next.awaySince = isPresent(mac) ? nil : known[mac]?.awaySince ?? now
    let heldUntil = next.awaySince.map { $0 &+ Self.nameHold } ?? .max
    if !next.addresses.isEmpty, now < heldUntil {
      next.until = min(next.until, heldUntil)
      let hostname = own.last?.hostname ?? primary?.hostname ?? ""
      // Away: its names lead nowhere, and are nobody else's, as its addresses are.
      let before = isPresent(mac) ? nil : known[mac]?.claim?.labels
      next.claim = Claim(
        labels: before ?? labels(of: mac, hostname: hostname),
        addresses: isPresent(mac) ? addresses : [])
    }
    return Review(mac: mac, address: next.addresses.first ?? live.first?.address, next: next)
  }

  /// A claim keeps its place for each name that it wanted before, also by another station of its guest: that changed its
  /// Ethernet address.
  private mutating func rank(_ review: inout Review) {
    guard let claim = review.next.claim else { return }
    let before =
      known[review.mac]?.claim
      ?? claim.addresses.first.flatMap { bindings[$0] }
      .flatMap { isOneGuest($0, review.mac) ? known[$0]?.claim : nil }
    let remembered = formerRanks.removeValue(forKey: review.mac)
    review.next.claim?.ranks = claim.labels.map {
      before?.rank(of: $0) ?? remembered ?? nextRank
    }
    nextRank += 1
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
    // Those whose owner may be another, or have other addresses; and who has them so far.
    var touched: [String: MACAddress?] = [:]
    var claims: [(name: String, mac: MACAddress, rank: UInt64, isHere: Bool)] = []
    var wantedBefore: Set<Refusal> = []
    for review in reviews {
      let (before, after) = (known[review.mac]?.claim, review.next.claim)
      guard before != after else { continue }
      for label in before?.labels ?? [] {
        let name = "\(label).\(domain)"
        if touched[name] == nil { touched[name] = .some(owner(of: name)) }
        if before?.addresses.isEmpty == false, isRefused(review.mac, by: touched[name] ?? nil) {
          wantedBefore.insert(Refusal(name: name, mac: review.mac, owner: nil))
        }
        if before?.rank(of: label) != after?.rank(of: label) {
          wishes[name]?.claimants.removeAll { $0.mac == review.mac }
        }
      }
      for label in after?.labels ?? [] {
        guard let after else { continue }
        let name = "\(label).\(domain)"
        if touched[name] == nil { touched[name] = .some(owner(of: name)) }
        claims.append(
          (name, review.mac, after.rank(of: label) ?? .max, !after.addresses.isEmpty))
      }
    }
    for (name, mac, rank, _) in claims { wishes[name, default: Wish()].add(mac, rank: rank) }
    var judged: Set<Refusal> = []
    for (name, mac, _, isHere) in claims where isHere {
      judged.insert(Refusal(name: name, mac: mac, owner: nil))
      let owner = owner(of: name)
      let isOld = wantedBefore.remove(Refusal(name: name, mac: mac, owner: nil)) != nil
      if isRefused(mac, by: owner), !isOld {
        changes.refused.append(Refusal(name: name, mac: mac, owner: owner))
      } else if isOld, !isRefused(mac, by: owner) {
        changes.ended.append(Refusal(name: name, mac: mac, owner: mac))
      }
    }
    changes.ended += wantedBefore
    let next = Dictionary(
      reviews.map { ($0.mac, $0.next.claim) }, uniquingKeysWith: { first, _ in first })
    for (name, before) in touched.sorted(by: { $0.key < $1.key }) {
      guard var wish = wishes[name] else { continue }
      var wanted: [IPAddress] = []
      if let owner = owner(of: name) {
        wanted = (next[owner] ?? known[owner]?.claim)?.addresses ?? []
        // It waited for the name, and nothing else of it changed.
        if owner != before, !wanted.isEmpty,
          !judged.contains(Refusal(name: name, mac: owner, owner: nil))
        {
          changes.ended.append(Refusal(name: name, mac: owner, owner: owner))
        }
      }
      changes.withdrawn += records(name, wish.told, besides: wanted)
      changes.published += records(name, wanted, besides: wish.told)
      nameCount += (wanted.isEmpty ? 0 : 1) - (wish.told.isEmpty ? 0 : 1)
      wish.told = wanted
      wishes[name] = wish.claimants.isEmpty ? nil : wish
    }
  }

  /// Whether a name is another guest's. What is behind one link is one guest, also with several stations.
  private func isRefused(_ mac: MACAddress, by owner: MACAddress?) -> Bool {
    guard let owner else { return true }
    return owner != mac && !isOneGuest(owner, mac)
  }

  /// Who has a name, whether or not it is there.
  private func owner(of name: String) -> MACAddress? {
    reserved.contains(name) ? nil : wishes[name]?.claimants.first?.mac
  }

  private func records(
    _ name: String, _ addresses: [IPAddress], besides others: [IPAddress]
  ) -> [Record] {
    addresses.filter { !others.contains($0) }.map { Record(name: name, address: $0) }
  }
}
