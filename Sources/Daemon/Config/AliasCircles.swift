// SPDX-License-Identifier: Apache-2.0
//
// AliasCircles: cycles of aliases among a network's own names. A question for such a name is answered SERVFAIL (RFC 1034
// §3.6.2), so that they are reported as errors of the configuration.

import DNSMessage

struct AliasCircles {
  private var aliases: [DNSName: DNSName] = [:]
  private var others: Set<DNSName> = []
  /// By the wildcard's parent; nil: it has addresses.
  private var wildcards: [DNSName: DNSName?] = [:]

  /// The same as the host's `OwnedNames.maximumChain`.
  private static let longest = 16

  /// - Parameter hosts: for each name its addresses, or the one name it is an alias of.
  init(_ hosts: [String: [String]]) {
    for (text, values) in hosts {
      guard let name = DNSName(text) else { continue }
      let target = values.count == 1 && DNSAddress(values[0]) == nil ? DNSName(values[0]) : nil
      if name.isWildcard {
        wildcards[name.parent] = .some(target)
      } else if let target {
        aliases[name] = target
      } else {
        others.insert(name)
      }
    }
  }

  /// The cycles, each from its least name: "a.test, b.test, a.test".
  var all: [[String]] {
    var found: Set<[String]> = []
    let starts = Array(aliases.values) + wildcards.values.compactMap { $0 }
    for start in starts {
      var way = [start]
      while way.count <= Self.longest, let next = next(way[way.count - 1]) {
        if let first = way.firstIndex(of: next) {
          found.insert(Self.fromLeast(way[first...].map { $0.displayed.lowercased() }))
          break
        }
        way.append(next)
      }
    }
    return found.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private func next(_ name: DNSName) -> DNSName? {
    if let target = aliases[name] { return target }
    guard !others.contains(name) else { return nil }
    var above = name.parent
    while !above.isRoot {
      if let target = wildcards[above] { return target }
      if aliases[above] != nil || others.contains(above) { return nil }
      above = above.parent
    }
    return nil
  }

  private static func fromLeast(_ circle: [String]) -> [String] {
    let start = circle.indices.min { circle[$0] < circle[$1] } ?? 0
    return Array(circle[start...] + circle[..<start]) + [circle[start]]
  }
}
