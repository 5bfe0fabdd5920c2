// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import HostProtocol

/// What a network's own names say to a question.
package enum NameFinding: Equatable, Sendable {
  /// Not owned: ask the DNS plugin.
  case foreign
  /// The whole answer; no records with NOERROR is NODATA (RFC 2308 2.2).
  case answer(DNSResponseCode, [DNSRecord])
  /// CNAME records that lead out of the network: ask the DNS plugin for the name they end at, and
  /// put them in front of what it says (RFC 1034 3.6.2).
  case outside([DNSRecord], DNSName)
}

/// All names that a network answers by itself, whoever brought them:
///
///   1  hosts of the name sets (`setNames`), the set that came last first; one without an address
///      is only kept from others
///   2  records of the sets' zones that have just this name
///   3  names the plugins published (limanetd.names/1), which guests choose
///   4  hosts that are wildcards (OwnedNames+Wildcards.swift)
///   5  the rest of the zones: the longest suffix; of equal ones, the set that came last first
///
/// The first that has a name decides on all of it, every type and class: none of it may leak to an
/// upstream server. An exact name owns nothing above or below it; but what is above it exists
/// (RFC 8020 2): it is NODATA where nobody else has records for it.
///
/// What a question costs does not depend on how many sets there are: `NameIndex` knows which of them
/// have a name.
///
/// Loop thread. Bounded: `maximumEntries` in all sets together, and in `published`. A set is taken over in one
/// go, and has few entries: an owner with many has several sets (`NameSet.parts`).
package struct OwnedNames {
  /// Hosts, aliases, records and zones of all sets together.
  package static let maximumEntries = 65536
  /// The same of one set.
  package static let maximumEntriesOfSet = 1024
  /// Sets, each of an owner of its own.
  package static let maximumSets = 4096
  /// Sets with a zone of the same name.
  static let maximumSetsOfZone = 64
  /// Aliases followed for one question.
  static let maximumChain = 16
  /// Seconds: short, since guests come and go.
  static let timeToLive: UInt32 = 5

  /// Names of limanetd.names/1.
  package var published = NameTable()
  /// By number: each set gets the next one when it comes.
  private(set) var sets: [UInt64: OwnedNameSet] = [:]
  private var numbers: [String: UInt64] = [:]
  private var lastNumber: UInt64 = 0
  /// Of all sets.
  private var count = 0
  var index = NameIndex()

  package init() {}

  package var isEmpty: Bool { sets.isEmpty && published.count == 0 }

  /// Replaces what an owner has; with an empty set, withdraws it. Throws without any effect.
  package mutating func set(_ names: NameSet) throws(HostError) {
    let set = try OwnedNameSet(names)
    let old = numbers[set.owner]
    let oldCount = old.flatMap { sets[$0]?.count } ?? 0
    if set.count > 0 {
      guard old != nil || sets.count < Self.maximumSets,
        count - oldCount + set.count <= Self.maximumEntries
      else {
        throw HostError(.limit, "the network has as many names as it can take")
      }
      for zone in set.zones.keys {
        let isOwn = old.flatMap { sets[$0]?.zones[zone] } != nil
        let others = (index.zones[zone]?.count ?? 0) - (isOwn ? 1 : 0)
        guard others < Self.maximumSetsOfZone else {
          throw HostError(.limit, "the zone `\(zone.displayed)` has as many owners as it can take")
        }
      }
    }
    if let old, let before = sets.removeValue(forKey: old) {
      numbers[set.owner] = nil
      count -= before.count
      index.remove(before, number: old)
    }
    guard set.count > 0 else { return }
    lastNumber += 1
    numbers[set.owner] = lastNumber
    count += set.count
    index.add(set, number: lastNumber)
    sets[lastNumber] = set
  }

  // MARK: Answering

  package func find(_ question: DNSQuestion) -> NameFinding {
    if isEmpty { return .foreign }
    var name = question.name
    var chain: [DNSRecord] = []
    while chain.count <= Self.maximumChain {
      switch owner(of: name) {
      case nil:
        if let names = names(ofReverse: name) {
          return .answer(.noError, chain + records(names.map { .name(.ptr, $0) }, name, question))
        }
        if Self.own.contains(name), isAbove(name) { return .answer(.noError, chain) }
        return chain.isEmpty ? .foreign : .outside(chain, name)
      case .addresses(let addresses):
        let data = addresses.map { DNSRecordData.address($0) }
        return .answer(.noError, chain + records(data, name, question))
      case .missing:
        return .answer(.nameError, chain)
      case .alias(let target):
        let alias = DNSRecord(name: name, ttl: Self.timeToLive, data: .name(.cname, target))
        guard Self.isInternet(question) else { return .answer(.noError, []) }
        chain.append(alias)
        if question.type == .cname || question.type == .any { return .answer(.noError, chain) }
        name = target
      }
    }
    // RFC 1034 3.6.2: loops are errors.
    return .answer(.serverFailure, [])
  }

  /// Names that are nobody's but a network's: what is above its own names is asked for nowhere.
  private static let own: Set<DNSName> = Set(
    ["internal", "lima.internal"].compactMap { DNSName($0) })

  private func owner(of name: DNSName) -> OwnedNameSet.Entry? {
    if let number = index.hosts[name]?.newest, let entry = sets[number]?.hosts[name] {
      return entry
    }
    let zones = self.zones(of: name)
    if let zone = zones.first(where: { $0.hasRecord(name) }), let found = zone.record(name) {
      return .addresses(found)
    }
    if let addresses = published.addresses(of: name) { return .addresses(addresses) }
    if let entry = wildcard(name) { return entry }
    return zoneEntry(name, zones)
  }

  /// Those of the longest suffix that `name` has among all zones.
  private func zones(of name: DNSName) -> [OwnedZone] {
    guard let apex = apex(of: name), let holders = index.zones[apex] else { return [] }
    return holders.newestFirst.compactMap { sets[$0]?.zones[apex] }
  }

  private func zoneEntry(_ name: DNSName, _ zones: [OwnedZone]) -> OwnedNameSet.Entry? {
    guard let first = zones.first else { return nil }
    for zone in zones {
      if let addresses = zone.record(name) { return .addresses(addresses) }
    }
    for zone in zones {
      if let address = zone.defaultAddress { return .addresses([address]) }
    }
    guard first.ownsMissingNames else { return nil }
    // The zone itself is there, and so is what has names below it.
    return name == first.name || isAbove(name) ? .addresses([]) : .missing
  }

  /// Names of the address that `name` is the reverse name of; nil when nobody here has it.
  private func names(ofReverse name: DNSName) -> [DNSName]? {
    guard let address = name.reverseAddress else { return nil }
    var names: [DNSName] = []
    for number in index.addresses[address]?.newestFirst ?? [] {
      for name in sets[number]?.names[address] ?? [] where !names.contains(name) {
        guard names.count < OwnedNameSet.maximumNames else { return names }
        names.append(name)
      }
    }
    // Guests choose these: not all that there may be are looked at.
    let published = published.names(of: address) ?? []
    for name in published.prefix(OwnedNameSet.maximumNames) where !names.contains(name) {
      guard names.count < OwnedNameSet.maximumNames else { break }
      // A name that is another's is not said to be this address's.
      guard case .addresses(let owned)? = owner(of: name), owned.contains(address) else { continue }
      names.append(name)
    }
    return names.isEmpty ? nil : names
  }

  private func records(
    _ data: [DNSRecordData], _ name: DNSName, _ question: DNSQuestion
  ) -> [DNSRecord] {
    guard Self.isInternet(question) else { return [] }
    return data.filter { question.type == .any || $0.type == question.type }
      .map { DNSRecord(name: name, ttl: Self.timeToLive, data: $0) }
  }

  private static func isInternet(_ question: DNSQuestion) -> Bool {
    question.dnsClass == .internet || question.dnsClass == .any
  }
}
