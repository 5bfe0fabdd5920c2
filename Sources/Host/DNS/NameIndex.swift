// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// Index of a network's name sets by name. Adding and removing a set takes time proportional to its names; a look-up
/// does not depend on the number of sets. Loop thread.
struct NameIndex {
  private(set) var hosts: [DNSName: NameHolders] = [:]
  /// By parent name: "*.NAME" is at NAME.
  private(set) var wildcards: [DNSName: NameHolders] = [:]
  private(set) var zones: [DNSName: NameHolders] = [:]
  /// Number of sets with a zone record of exactly that name.
  private(set) var records: [DNSName: Int] = [:]
  /// Sets with a name for the address.
  private(set) var addresses: [DNSAddress: NameHolders] = [:]
  /// Number of sets with names below a name.
  private(set) var above: [DNSName: Int] = [:]
  private(set) var hostDepths = NameDepths()
  private(set) var wildcardDepths = NameDepths()
  private(set) var zoneDepths = NameDepths()
  private(set) var recordDepths = NameDepths()
  private(set) var aboveDepths = NameDepths()

  /// - Parameter number: higher than that of all present sets.
  mutating func add(_ set: OwnedNameSet, number: UInt64) {
    for name in set.hosts.keys {
      hosts.add(number, to: name)
      hostDepths.add(name)
    }
    for name in set.wildcards.keys {
      wildcards.add(number, to: name)
      wildcardDepths.add(name)
    }
    for name in set.zones.keys {
      zones.add(number, to: name)
      zoneDepths.add(name)
    }
    for name in set.recordNames {
      if records[name] == nil { recordDepths.add(name) }
      records[name, default: 0] += 1
    }
    for address in set.names.keys { addresses.add(number, to: address) }
    for name in set.above.names {
      if above[name] == nil { aboveDepths.add(name) }
      above[name, default: 0] += 1
    }
  }

  mutating func remove(_ set: OwnedNameSet, number: UInt64) {
    for name in set.hosts.keys {
      hosts.remove(number, from: name)
      hostDepths.remove(name)
    }
    for name in set.wildcards.keys {
      wildcards.remove(number, from: name)
      wildcardDepths.remove(name)
    }
    for name in set.zones.keys {
      zones.remove(number, from: name)
      zoneDepths.remove(name)
    }
    for name in set.recordNames {
      guard let count = records[name] else { continue }
      records[name] = count > 1 ? count - 1 : nil
      if count == 1 { recordDepths.remove(name) }
    }
    for address in set.names.keys { addresses.remove(number, from: address) }
    for name in set.above.names {
      guard let count = above[name] else { continue }
      above[name] = count > 1 ? count - 1 : nil
      if count == 1 { aboveDepths.remove(name) }
    }
  }
}
