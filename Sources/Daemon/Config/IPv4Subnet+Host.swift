// SPDX-License-Identifier: Apache-2.0
//
// Conflicts between a subnet and the host: an overlapping subnet of an interface, or a route into the subnet. Pure.

import Platform

extension IPv4Subnet {
  /// The subnet of the interface overlaps this one.
  func clashes(with address: HostAddress) -> Bool {
    guard (1...32).contains(address.prefixLength) else { return false }
    return overlaps(
      IPv4Subnet(containing: IPv4Address(address.address), prefixLength: address.prefixLength))
  }

  /// A route with a shorter prefix (a VPN's 0.0.0.0/1, a site's 192.168.0.0/16) is no conflict: the network's own is the
  /// longest match.
  func clashes(with route: HostRoute) -> Bool {
    route.prefixLength >= prefixLength && contains(IPv4Address(route.network))
  }
}
