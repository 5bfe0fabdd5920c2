// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The names that plugins have published (limanetd.names/1); the broker answers them itself before it asks a DNS
/// plugin.
///
/// Loop thread. Bounded: `maximumEntries` pairs of name and address.
package struct NameTable {
  package static let maximumEntries = 65536

  /// The result of publishing.
  package enum Outcome: Equatable, Sendable {
    case done
    case invalidName
    case invalidAddress
    case full
  }

  private var addresses: [DNSName: [DNSAddress]] = [:]
  private var names: [DNSAddress: [DNSName]] = [:]
  private(set) var above = NamesAbove()
  private(set) var depths = NameDepths()
  /// Number of pairs in the table.
  package private(set) var count = 0

  package init() {}

  /// Adds an address to a name; idempotent.
  /// - Parameters:
  ///   - name: absolute, with or without the final dot.
  ///   - address: "192.168.5.2" or "fd00::2".
  package mutating func publish(_ name: String, address: String) -> Outcome {
    guard let name = DNSName(name), !name.isRoot else { return .invalidName }
    guard let address = DNSAddress(address) else { return .invalidAddress }
    if addresses[name]?.contains(address) == true { return .done }
    guard count < Self.maximumEntries else { return .full }
    if addresses[name] == nil {
      above.add(name)
      depths.add(name)
    }
    addresses[name, default: []].append(address)
    if names[address] == nil { above.addReverse(of: address) }
    names[address, default: []].append(name)
    count += 1
    return .done
  }

  /// Removes an address of a name, or with nil all of them; the name is removed with its last address. Idempotent.
  package mutating func withdraw(_ name: String, address: String?) -> Outcome {
    guard let name = DNSName(name), !name.isRoot else { return .invalidName }
    if let text = address {
      guard let address = DNSAddress(text) else { return .invalidAddress }
      remove(name, address)
    } else {
      for address in addresses[name] ?? [] { remove(name, address) }
    }
    return .done
  }

  private mutating func remove(_ name: DNSName, _ address: DNSAddress) {
    guard let index = addresses[name]?.firstIndex(of: address) else { return }
    addresses[name]?.remove(at: index)
    if addresses[name]?.isEmpty == true {
      addresses[name] = nil
      above.remove(name)
      depths.remove(name)
    }
    if let index = names[address]?.firstIndex(of: name) { names[address]?.remove(at: index) }
    if names[address]?.isEmpty == true {
      names[address] = nil
      above.removeReverse(of: address)
    }
    count -= 1
  }

  /// Addresses of an owned name in the order of publishing; nil when the name is not owned.
  package func addresses(of name: DNSName) -> [DNSAddress]? {
    count == 0 ? nil : addresses[name]
  }

  /// Names of a published address; nil when there is none.
  package func names(of address: DNSAddress) -> [DNSName]? {
    count == 0 ? nil : names[address]
  }
}
