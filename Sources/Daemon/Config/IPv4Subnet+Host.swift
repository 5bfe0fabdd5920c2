// SPDX-License-Identifier: Apache-2.0
//
// What of the host stands against a subnet: an interface's own network, be it wider or narrower, and a route into
// the subnet. Pure.

import Platform

extension IPv4Subnet {
  /// The interface has its neighbours where the network's guests would be.
  func clashes(with address: HostAddress) -> Bool {
    guard (1...32).contains(address.prefixLength) else { return false }
    return overlaps(
      IPv4Subnet(containing: IPv4Address(address.address), prefixLength: address.prefixLength))
  }

  /// A wider route (a VPN's 0.0.0.0/1, a site's 192.168.0.0/16) stays where it is: the kernel takes the longest match,
  /// which is the network's own.
  func clashes(with route: HostRoute) -> Bool {
    route.prefixLength >= prefixLength && contains(IPv4Address(route.network))
  }
}
