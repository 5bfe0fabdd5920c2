// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The names above others: they exist, whoever says otherwise (RFC 8020 2). Counted, so that one
/// goes with the last name below it. Loop thread.
struct NamesAbove {
  /// How many names each is directly above.
  private var below: [DNSName: Int] = [:]

  var count: Int { below.count }
  var names: Dictionary<DNSName, Int>.Keys { below.keys }

  mutating func add(_ name: DNSName) {
    var name = name.parent
    while !name.isRoot {
      below[name, default: 0] += 1
      // Those above it are here because of it.
      if below[name] != 1 { return }
      name = name.parent
    }
  }

  /// Takes off what `add` put there.
  mutating func remove(_ name: DNSName) {
    var name = name.parent
    while !name.isRoot, let count = below[name] {
      below[name] = count == 1 ? nil : count - 1
      if count > 1 { return }
      name = name.parent
    }
  }

  /// Adds the reverse name of an address, whose PTR is answered as well. Not of an IPv6 one: each would bring a chain of up
  /// to 32 names of its own.
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
