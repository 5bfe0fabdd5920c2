// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import HostProtocol
import Testing

@testable import Host

@Suite("Owned names: many sets, and sets of many names", .timeLimit(.minutes(5)))
struct DNSNameIndexTests {
  private func name(_ text: String) throws -> DNSName { try #require(DNSName(text)) }

  private func find(_ names: OwnedNames, _ text: String, _ type: DNSType = .a) throws -> [String] {
    guard case .answer(_, let records) = names.find(DNSQuestion(name: try name(text), type: type))
    else { return ["foreign"] }
    return records.map { "\($0.data)" }
  }

  @Test(
    "of thousands of sets each name is found by the sets that have it, and nothing is left behind")
  func manySets() throws {
    var names = OwnedNames()
    for owner in 0..<OwnedNames.maximumSets {
      try names.set(
        NameSet(
          owner: "vm\(owner)",
          hosts: [
            "vm\(owner).internal": ["10.0.\(owner >> 8).\(owner & 255)"],
            "shared.test": ["10.9.9.9"],
            "*.w\(owner % 7).test": ["10.8.8.\(owner % 200)"],
          ]))
    }
    #expect(throws: HostError.self) { try names.set(NameSet(owner: "more", hosts: ["a.b": []])) }
    let key = try name("vm77.internal")
    #expect(names.index.hosts[key]?.count == 1)
    #expect(try find(names, "vm77.internal") == ["10.0.0.77"])
    #expect(try find(names, "VM4095.internal") == ["10.0.15.255"])
    #expect(try find(names, "vm4096.internal") == ["foreign"])
    // The one that came last.
    #expect(try find(names, "x.w0.test") == ["10.8.8.\(4095 / 7 * 7 % 200)"])
    #expect(try find(names, "9.9.9.10.in-addr.arpa", .ptr) == ["shared.test."])
    // One that comes again is the last.
    try names.set(NameSet(owner: "vm5", hosts: ["shared.test": ["10.7.7.7"]]))
    #expect(try find(names, "shared.test") == ["10.7.7.7"])
    #expect(try find(names, "vm5.internal") == ["foreign"])
    try names.set(NameSet(owner: "vm5"))
    #expect(try find(names, "shared.test") == ["10.9.9.9"])
    for owner in 0..<OwnedNames.maximumSets { try names.set(NameSet(owner: "vm\(owner)")) }
    #expect(names.isEmpty)
    #expect(names.index.hosts.isEmpty && names.index.wildcards.isEmpty && names.index.zones.isEmpty)
    #expect(names.index.above.isEmpty && names.index.addresses.isEmpty)
    #expect(names.index.hostDepths.deepest == -1 && names.index.wildcardDepths.deepest == -1)
    #expect(names.index.aboveDepths.deepest == -1)
  }

  @Test("a reverse answer has the names of an address up to a bound, however many sets have one")
  func reverse() throws {
    var names = OwnedNames()
    for owner in 0..<300 {
      try names.set(NameSet(owner: "\(owner)", hosts: ["h\(owner).test": ["10.0.0.1"]]))
    }
    let found = try find(names, "1.0.0.10.in-addr.arpa", .ptr)
    #expect(found.count == OwnedNameSet.maximumNames && found.first == "h299.test.")
  }

  @Test("a name with a hundred labels is found in a zone and by a wildcard")
  func deepNames() throws {
    let labels = String(repeating: "a.", count: 100)
    var names = OwnedNames()
    try names.set(
      NameSet(
        owner: "a", hosts: ["*.wild.test": ["10.0.0.1"]],
        zones: [NameZone(name: "zone.test.", defaultAddress: "10.0.0.2")]))
    #expect(try find(names, labels + "wild.test") == ["10.0.0.1"])
    #expect(try find(names, labels + "zone.test") == ["10.0.0.2"])
    #expect(try find(names, labels + "other.test") == ["foreign"])
    // A name in between that is there has no wildcard.
    try names.set(NameSet(owner: "b", hosts: ["a.a.wild.test": ["10.0.0.3"]]))
    #expect(try find(names, labels + "wild.test") == [])
    #expect(try find(names, "b.wild.test") == ["10.0.0.1"])
  }

  @Test("names are equal and hash alike whatever the case of their letters, and only then")
  func hashing() throws {
    for count in 1...40 {
      let lower = String(repeating: "a", count: count) + "-1[z.example"
      let first = try name(lower)
      #expect(first.hashValue == (try name(lower.uppercased())).hashValue)
      #expect(Set([first, try name(lower.uppercased()), try name("b" + lower)]).count == 2)
    }
  }

  @Test("a set has a bounded number of names; what is more comes in several")
  func setBound() throws {
    var names = OwnedNames()
    let many = Dictionary(
      uniqueKeysWithValues: (0..<60_000).map { ("h\($0).test", ["10.0.\($0 >> 8).\($0 & 255)"]) })
    let whole = NameSet(owner: "config", hosts: many)
    #expect(throws: HostError.self) { try names.set(whole) }
    for part in whole.parts { try names.set(part) }
    #expect(try find(names, "h59999.test") == ["10.0.234.95"])
    #expect(names.sets.count > 1)
  }
}

@Suite("Parts of name sets", .timeLimit(.minutes(5)))
struct NamePartsTests {
  private func hosts(_ range: Range<Int>, _ address: String = "10.0.0.1") -> [String: [String]] {
    Dictionary(uniqueKeysWithValues: range.map { ("host\($0).test", [address]) })
  }

  /// Carries out what waits; the hosts that a process knows after each part, and how many parts there were.
  private func carryOut(
    _ parts: inout NameParts, _ owner: String, _ known: inout [String: NameSet],
    _ check: ([String: [String]]) -> Void
  ) -> Int {
    var count = 0
    while let part = parts.next(of: owner) {
      known[part.owner] = part.hosts.isEmpty && part.zones.isEmpty ? nil : part
      count += 1
      check(known.values.reduce(into: [:]) { $0.merge($1.hosts) { first, _ in first } })
    }
    return count
  }

  @Test("a set of few hosts is one part of the same owner")
  func few() {
    let set = NameSet(owner: "vm", hosts: hosts(0..<NameSet.partSize))
    #expect(set.parts == [set])
    #expect(NameSet(owner: "vm").parts.isEmpty)
  }

  @Test("each part of many hosts is small, and together they are the set")
  func many() throws {
    let set = NameSet(owner: "config", hosts: hosts(0..<65_536))
    let parts = set.parts
    #expect(Set(parts.map(\.owner)).count == parts.count)
    #expect(parts.allSatisfy { $0.hosts.count <= 2 * NameSet.partSize })
    #expect(parts.reduce(into: [:]) { $0.merge($1.hosts) { first, _ in first } } == set.hosts)
    // However a name is written.
    let upper = NameSet(
      owner: "config",
      hosts: Dictionary(uniqueKeysWithValues: set.hosts.map { ($0.key.uppercased(), $0.value) }))
    for (one, other) in zip(parts, upper.parts) {
      #expect(Set(one.hosts.keys.map { $0.uppercased() }) == Set(other.hosts.keys))
    }
  }

  @Test("zones are parts of their own")
  func zones() {
    let zones = ["a.test", "b.test"].map { NameZone(name: $0, defaultAddress: "10.0.0.1") }
    let parts = NameSet(owner: "api", hosts: ["x.test": []], zones: zones).parts
    #expect(parts.flatMap(\.zones) == zones && parts.count == 3)
  }

  @Test("of a change only the parts that differ are given, and no name is missing meanwhile")
  func changes() {
    var parts = NameParts()
    var known: [String: NameSet] = [:]
    let large = hosts(0..<5000)
    parts.replace(NameSet(owner: "config", hosts: large))
    _ = carryOut(&parts, "config", &known) { _ in }
    var other = large
    other["host7.test"] = ["10.0.0.9"]
    parts.replace(NameSet(owner: "config", hosts: other))
    let given = carryOut(&parts, "config", &known) { #expect($0 == other) }
    #expect(given == 1)
    // From many to few and back.
    for (before, after) in [(other, hosts(0..<20, "10.0.0.2")), (hosts(0..<20, "10.0.0.2"), large)]
    {
      parts.replace(NameSet(owner: "config", hosts: after))
      var last: [String: [String]] = [:]
      let both = Set(before.keys).intersection(after.keys)
      let count = carryOut(&parts, "config", &known) { now in
        #expect(both.isSubset(of: now.keys))
        last = now
      }
      #expect(count > 1 && last == after)
    }
    // What had not been given yet is overtaken.
    parts.replace(NameSet(owner: "config", hosts: other))
    _ = parts.next(of: "config").map { known[$0.owner] = $0 }
    parts.replace(NameSet(owner: "config"))
    _ = carryOut(&parts, "config", &known) { _ in }
    #expect(known.isEmpty)
  }
}
