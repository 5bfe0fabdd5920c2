// SPDX-License-Identifier: Apache-2.0

extension NameSet {
  /// Approximate number of addresses and names of one part.
  package static let partSize = 256
  /// Number of parts for large sets: 65,536 hosts give 256 each.
  private static let manyParts = 256

  /// Splits the set into parts, each with an owner of its own, so that a network process adds one at a time without
  /// blocking its loop. Together they equal the set: each host and each zone is in one part; with many hosts, a host
  /// is always in the same part. The hosts of a small set keep its owner.
  package var parts: [NameSet] {
    // NUL does not occur in an owner's name.
    zones.map { NameSet(owner: "\(owner)\0\($0.name)", zones: [$0]) } + hostParts
  }

  private var hostParts: [NameSet] {
    guard hosts.reduce(0, { $0 + max(1, $1.value.count) }) > Self.partSize else {
      return hosts.isEmpty ? [] : [NameSet(owner: owner, hosts: hosts)]
    }
    var parts = (0..<Self.manyParts).map { NameSet(owner: "\(owner)\0\($0)") }
    for (name, values) in hosts { parts[Self.place(of: name)].hosts[name] = values }
    return parts.filter { !$0.hosts.isEmpty }
  }

  /// FNV-1a, case-insensitive: spellings of one name are in the same part.
  private static func place(of name: String) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for octet in name.utf8 {
      let lower = octet &- 0x41 < 26 ? octet | 0x20 : octet
      hash = (hash ^ UInt64(lower)) &* 0x100_0000_01b3
    }
    return Int((hash ^ hash >> 32) % UInt64(manyParts))
  }
}

/// The parts that a process has, and those still to be sent.
package struct NameParts: Codable, Sendable {
  /// By owner of a set, then of a part.
  private var given: [String: [String: NameSet]] = [:]
  private var waiting: [String: [NameSet]] = [:]

  package init() {}

  /// Replaces an owner's set: the changed parts are to be sent. Removed parts follow after all new ones, so that no
  /// name is missing in between.
  package mutating func replace(_ set: NameSet) {
    let parts = set.parts
    let known = given[set.owner] ?? [:]
    let wanted = Set(parts.map(\.owner))
    let stale = known.keys.filter { !wanted.contains($0) }.sorted()
    waiting[set.owner] = parts.filter { known[$0.owner] != $0 } + stale.map { NameSet(owner: $0) }
  }

  /// The next part of an owner's set to be sent, which counts as sent; nil when there is none.
  package mutating func next(of owner: String) -> NameSet? {
    guard let part = waiting[owner]?.first else {
      waiting[owner] = nil
      return nil
    }
    waiting[owner]?.removeFirst()
    let isEmpty = part.hosts.isEmpty && part.zones.isEmpty
    given[owner, default: [:]][part.owner] = isEmpty ? nil : part
    if given[owner]?.isEmpty == true { given[owner] = nil }
    return part
  }
}
