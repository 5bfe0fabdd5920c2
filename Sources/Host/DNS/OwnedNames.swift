// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import HostProtocol

/// The result of looking a question up in the network's own names.
package enum NameFinding: Equatable, Sendable {
  /// Not owned: ask the DNS plugin.
  case foreign
  /// The whole answer; no records with NOERROR is NODATA (RFC 2308 2.2).
  case answer(DNSResponseCode, [DNSRecord])
  /// CNAME records that lead out of the network: ask the DNS plugin for the name at their end, and prepend them to
  /// its answer (RFC 1034 3.6.2).
  case outside([DNSRecord], DNSName)
}

/// All names that a network answers itself, in order of precedence:
///
///   1  hosts of the name sets (`setNames`), the most recently added set first; one without an
///      address is only reserved
///   2  records of the sets' zones with exactly this name
///   3  names the plugins published (limanetd.names/1), which guests choose
///   4  wildcard hosts (OwnedNames+Wildcards.swift)
///   5  the rest of the zones: the longest suffix; of equal ones, the most recently added set first
///
/// The first that has a name answers every type and class of it: none may be sent to an upstream server. An exact
/// name owns nothing above or below it; but the names above it exist (RFC 8020 2): NODATA where no other source has
/// records.
///
/// The cost of a question does not depend on the number of sets: `NameIndex` maps names to sets.
///
/// Loop thread. Bounded: `maximumEntries` in all sets together, and in `published`. A set is added in one call and is
/// small: an owner with many names has several sets (`NameSet.parts`).
package struct OwnedNames {
  /// Hosts, aliases, records and zones of all sets together.
  package static let maximumEntries = 65536
  /// The maximum for one set.
  package static let maximumEntriesOfSet = 1024
  /// Maximum sets; each has one owner.
  package static let maximumSets = 4096
  /// Maximum sets with a zone of the same name.
  static let maximumSetsOfZone = 64
  /// Maximum aliases followed for one question.
  static let maximumChain = 16
  /// Seconds: short, because guests come and go.
  static let timeToLive: UInt32 = 5

  /// Names of limanetd.names/1.
  package var published = NameTable()
  /// By number; each added set gets the next one.
  private(set) var sets: [UInt64: OwnedNameSet] = [:]
  private var numbers: [String: UInt64] = [:]
  private var lastNumber: UInt64 = 0
  /// Entries of all sets.
  private var count = 0
  var index = NameIndex()

  package init() {}

  package var isEmpty: Bool { sets.isEmpty && published.count == 0 }

  /// Replaces an owner's set; an empty set removes it. Throws without any effect.
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

  /// Names that exist only in networks: the parents of a network's own names are never asked upstream.
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

  /// The zones with the longest suffix of `name`.
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
    // The zone's name itself exists, and so does a name with names below it.
    return name == first.name || isAbove(name) ? .addresses([]) : .missing
  }

  /// Names of the address whose reverse name `name` is; nil when no owner has the address.
  private func names(ofReverse name: DNSName) -> [DNSName]? {
    guard let address = name.reverseAddress else { return nil }
    var names: [DNSName] = []
    for number in index.addresses[address]?.newestFirst ?? [] {
      for name in sets[number]?.names[address] ?? [] where !names.contains(name) {
        guard names.count < OwnedNameSet.maximumNames else { return names }
        names.append(name)
      }
    }
    // Guests choose these, so only a bounded number is considered.
    let published = published.names(of: address) ?? []
    for name in published.prefix(OwnedNameSet.maximumNames) where !names.contains(name) {
      guard names.count < OwnedNameSet.maximumNames else { break }
      // A name with another owner is not reported for this address.
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
