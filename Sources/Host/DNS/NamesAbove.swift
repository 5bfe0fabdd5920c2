// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The names above others, which therefore exist (RFC 8020 2). Reference-counted: one is removed with the last name
/// below it. Loop thread.
struct NamesAbove {
  /// Number of names directly below each.
  private var below: [DNSName: Int] = [:]

  var count: Int { below.count }
  var names: Dictionary<DNSName, Int>.Keys { below.keys }

  mutating func add(_ name: DNSName) {
    var name = name.parent
    while !name.isRoot {
      below[name, default: 0] += 1
      // Its own ancestors are already counted.
      if below[name] != 1 { return }
      name = name.parent
    }
  }

  /// Reverses `add`.
  mutating func remove(_ name: DNSName) {
    var name = name.parent
    while !name.isRoot, let count = below[name] {
      below[name] = count == 1 ? nil : count - 1
      if count > 1 { return }
      name = name.parent
    }
  }

  /// Adds the ancestors of an address's reverse name, whose PTR is answered as well. Not for IPv6: each address would
  /// add up to 32 names.
  mutating func addReverse(of address: DNSAddress) {
    if address.type == .a { add(DNSName(reverseOf: address)) }
  }

  mutating func removeReverse(of address: DNSAddress) {
    if address.type == .a { remove(DNSName(reverseOf: address)) }
  }

  func contains(_ name: DNSName) -> Bool {
    !below.isEmpty && below[name] != nil
  }
}
