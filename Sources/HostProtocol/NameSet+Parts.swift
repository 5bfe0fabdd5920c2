// SPDX-License-Identifier: Apache-2.0

extension NameSet {
  /// Addresses and names in one part, about.
  package static let partSize = 256
  /// Parts of many hosts: 65,536 make 256 each.
  private static let manyParts = 256

  /// The set in pieces that a network's process takes over one by one without its loop standing still, each
  /// of an owner of its own. Together they say the same: a host is in one of them and a zone in another, as
  /// long as the set has many hosts always in the same. Few hosts keep the owner.
  package var parts: [NameSet] {
    // NUL: no owner has it.
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

  /// FNV-1a, without case: one name is in one part however it is written.
  private static func place(of name: String) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for octet in name.utf8 {
      let lower = octet &- 0x41 < 26 ? octet | 0x20 : octet
      hash = (hash ^ UInt64(lower)) &* 0x100_0000_01b3
    }
    return Int((hash ^ hash >> 32) % UInt64(manyParts))
  }
}

/// The parts of name sets that a process was given, and what it is still to be given.
package struct NameParts {
  /// By owner of a set, then of a part.
  private var given: [String: [String: NameSet]] = [:]
  private var waiting: [String: [NameSet]] = [:]

  package init() {}

  /// A set is another now: what makes the difference waits. The last part of what was there goes after all that
  /// is new has come, so that no name is missing in between.
  package mutating func replace(_ set: NameSet) {
    let parts = set.parts
    let known = given[set.owner] ?? [:]
    let wanted = Set(parts.map(\.owner))
    let stale = known.keys.filter { !wanted.contains($0) }.sorted()
    waiting[set.owner] = parts.filter { known[$0.owner] != $0 } + stale.map { NameSet(owner: $0) }
  }

  /// The next part of an owner's set, which the process is given now; nil when it has them all.
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
