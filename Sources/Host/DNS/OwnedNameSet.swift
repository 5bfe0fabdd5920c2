// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import HostProtocol

/// The names of one owner, validated and indexed.
struct OwnedNameSet {
  enum Entry: Equatable {
    case addresses([DNSAddress])
    case alias(DNSName)
    /// The name does not exist (a zone is authoritative for it).
    case missing
  }

  let owner: String
  private(set) var hosts: [DNSName: Entry] = [:]
  /// Hosts "*.NAME" by NAME (RFC 4592).
  private(set) var wildcards: [DNSName: Entry] = [:]
  private(set) var zones: [DNSName: OwnedZone] = [:]
  /// Names above the hosts, the zones and their records, and the reverse names of IPv4 addresses.
  private(set) var above = NamesAbove()
  /// Maximum names of one address in reverse answers.
  static let maximumNames = 64

  /// For reverse look-ups, in the order of their names.
  private(set) var names: [DNSAddress: [DNSName]] = [:]
  /// Number of entries that count for the bound.
  private(set) var count = 0

  /// Names with records in zones, each at most once per zone.
  var recordNames: some Sequence<DNSName> { zones.values.lazy.flatMap(\.recordNames) }

  init(_ set: NameSet) throws(HostError) {
    owner = set.owner
    // Sorted, so that reverse look-ups do not depend on a dictionary's order.
    for (text, values) in set.hosts.sorted(by: { $0.key < $1.key }) {
      try add(host: text, values)
    }
    for zone in set.zones { try add(zone) }
  }

  private mutating func add(host text: String, _ values: [String]) throws(HostError) {
    let name = try Self.name(text)
    if name.hasStrayAsterisk {
      throw HostError(
        .invalidConfig, "`\(text)`: `*` stands for names as the whole first label only, `*.NAME`")
    }
    guard let first = values.first else {
      // Reserved: the name will get addresses, and is not asked upstream meanwhile.
      set(name, .addresses([]))
      count += 1
      return try checkBound()
    }
    let addresses = values.compactMap { DNSAddress($0) }
    let isWildcard = name.isWildcard
    if addresses.count == values.count {
      if !isWildcard {
        for address in addresses { note(name, address) }
      }
      set(name, .addresses(addresses))
      count += addresses.count
    } else if values.count == 1 {
      set(name, .alias(try Self.target(first, of: text)))
      count += 1
    } else {
      throw HostError(
        .invalidConfig, "`\(text)` has several values, so each has to be an address")
    }
    try checkBound()
  }

  private func checkBound() throws(HostError) {
    guard count <= OwnedNames.maximumEntriesOfSet,
      above.count <= 8 * OwnedNames.maximumEntriesOfSet
    else { throw Self.tooMany }
  }

  private mutating func set(_ name: DNSName, _ entry: Entry) {
    if hosts[name] == nil { above.add(name) }
    if name.isWildcard { wildcards[name.parent] = entry } else { hosts[name] = entry }
  }

  private mutating func add(_ zone: NameZone) throws(HostError) {
    let name = try Self.name(zone.name)
    var owned = zones[name] ?? OwnedZone(name)
    if zones[name] == nil { above.add(name) }
    // As in gvproxy: records added to a zone come after the existing ones.
    for record in zone.records {
      try owned.add(record) {
        above.add($0)
        note($0, $1)
      }
    }
    if let text = zone.defaultAddress, !text.isEmpty {
      owned.defaultAddress = try Self.address(text, of: zone.name)
    }
    zones[name] = owned
    count += 1 + zone.records.count
    try checkBound()
  }

  private mutating func note(_ name: DNSName, _ address: DNSAddress) {
    if names[address] == nil { above.addReverse(of: address) }
    guard names[address]?.count ?? 0 < Self.maximumNames else { return }
    names[address, default: []].append(name)
  }

  // MARK: Texts

  static func name(_ text: String) throws(HostError) -> DNSName {
    guard let name = DNSName(text), !name.isRoot else {
      throw HostError(.invalidConfig, "`\(text)` is no DNS name")
    }
    return name
  }

  static func address(_ text: String, of name: String) throws(HostError) -> DNSAddress {
    guard let address = DNSAddress(text) else {
      throw HostError(.invalidConfig, "`\(text)`, the address of `\(name)`, is no IP address")
    }
    return address
  }

  /// The target of an alias. A numeric top-level domain does not exist: the text is a mistyped address.
  private static func target(_ text: String, of name: String) throws(HostError) -> DNSName {
    guard let target = DNSName(text), let last = target.labels.last,
      !last.allSatisfy({ $0 &- 0x30 < 10 })
    else {
      throw HostError(
        .invalidConfig, "`\(text)`, which `\(name)` stands for, is neither an address nor a name")
    }
    return target
  }

  private static let tooMany = HostError(
    .limit, "a set may have \(OwnedNames.maximumEntriesOfSet) names and addresses at most")
}
