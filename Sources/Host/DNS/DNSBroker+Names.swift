// SPDX-License-Identifier: Apache-2.0
//
// What the broker answers by itself. Names that come or go flush the cache: nothing that is owned
// may be found there, and nothing that was.

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
    if names.published.count != before { flushCache() }
    return outcome
  }

  /// limanetd.names/1.
  package func withdraw(_ name: String, address: String?) -> NameTable.Outcome {
    let before = names.published.count
    let outcome = names.published.withdraw(name, address: address)
    if names.published.count != before { flushCache() }
    return outcome
  }
}
