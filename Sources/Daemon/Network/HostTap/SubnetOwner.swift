// SPDX-License-Identifier: Apache-2.0
//
// SubnetOwner: which interface of the host has a network's subnet already, or a part of it. Two that have it would each
// take half of the answers. Pure.

import Platform

package struct SubnetOwner: Sendable, Hashable {
  package var interface: String
  /// "192.168.105.1/24"
  package var text: String

  /// - Parameters:
  ///   - wanted: "192.168.105.1/24"
  ///   - own: the network's own interface.
  package static func find(
    of wanted: String, except own: String, among addresses: [HostAddress]
  ) -> SubnetOwner? {
    let parts = wanted.split(separator: "/")
    guard parts.count == 2, let address = IPv4Address(String(parts[0])), let length = Int(parts[1]),
      (1...32).contains(length)
    else { return nil }
    let subnet = IPv4Subnet(containing: address, prefixLength: length)
    for one in addresses where one.interface != own && subnet.clashes(with: one) {
      return SubnetOwner(
        interface: one.interface, text: "\(IPv4Address(one.address))/\(one.prefixLength)")
    }
    return nil
  }

  /// The same of "fd12:3456:789a::1/64"; nil where there is none.
  package static func find6(
    of wanted: String?, except own: String, among addresses: [HostAddress6]
  ) -> SubnetOwner? {
    guard let wanted = wanted.flatMap({ IPv6Network($0) }) else { return nil }
    for one in addresses where one.interface != own && !one.isLinkLocal {
      if let other = IPv6Network(one), wanted.overlaps(other) {
        return SubnetOwner(interface: one.interface, text: other.description)
      }
    }
    return nil
  }
}
