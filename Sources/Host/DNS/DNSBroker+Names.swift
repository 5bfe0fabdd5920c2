// SPDX-License-Identifier: Apache-2.0
//
// The broker's own answers. The cache must hold no owned name, and none that was owned: a name set that is added or
// removed flushes it; a guest's name, which changes often, drops only the entries that it affects.

import DNSMessage
import HostProtocol

extension DNSBroker {
  /// Replaces the names of one owner. Throws without any effect.
  package func set(_ names: NameSet) throws(HostError) {
    try self.names.set(names)
    flushCache()
  }

  /// limanetd.names/1.
  package func publish(_ name: String, address: String) -> NameTable.Outcome {
    let before = names.published.count
    let outcome = names.published.publish(name, address: address)
    if names.published.count != before { forget(name, [DNSAddress(address)].compactMap { $0 }) }
    return outcome
  }

  /// limanetd.names/1.
  package func withdraw(_ name: String, address: String?) -> NameTable.Outcome {
    let before = names.published.count
    let owned = DNSName(name).flatMap { names.published.addresses(of: $0) } ?? []
    let outcome = names.published.withdraw(name, address: address)
    if names.published.count != before { forget(name, owned) }
    return outcome
  }

  /// Drops cached answers for a name, the reverse names of its addresses, and the names above them, which exist from
  /// now on or no longer (RFC 8020). Of IPv6 only for the reverse name itself, as in `NamesAbove`. Drops everything
  /// where a wildcard covers names below the name, or no longer does.
  private func forget(_ name: String, _ addresses: [DNSAddress]) {
    if let name = DNSName(name), self.names.isBelowWildcard(name) { return flushCache() }
    var names: Set<DNSName> = []
    func insert(_ name: DNSName, above: Bool = true) {
      var name = name
      while !name.isRoot, names.insert(name).inserted, above { name = name.parent }
    }
    if let name = DNSName(name) { insert(name) }
    for address in addresses { insert(DNSName(reverseOf: address), above: address.type == .a) }
    forgetCached(names)
  }
}
