// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 address of an interface of the host, and conflicts between the host's routes and a guests' prefix.

import NetStack
import Platform
import Wire

package enum InterfaceAddress {
  /// The interface's first address with a /64 that is not link-local; nil: none.
  package static func ipv6(of interface: String) -> IPAddress? {
    let all = (try? HostInterfaces.addresses6()) ?? []
    return all.first { $0.interface == interface && !$0.isLinkLocal && $0.prefixLength == 64 }
      .map { IPAddress(high: $0.high, low: $0.low) }
  }

  /// Another interface through which the host routes addresses of the prefix: "eth0 (fd12:3456:789a::/64)".
  /// - Parameter own: the network's interface, or "".
  static func holder(of prefix: CIDR, except own: String) -> String? {
    let addresses = ((try? HostInterfaces.addresses6()) ?? []).filter { !$0.isLinkLocal }
    // A shorter prefix is no conflict: the network's own is the longest match.
    let routes = ((try? HostRoutes.current6()) ?? []).filter {
      $0.prefixLength >= prefix.prefixLength
    }
    for one in addresses + routes where one.interface != own && one.interface != "lo" {
      let address = IPAddress(high: one.high, low: one.low)
      guard let theirs = CIDR(address, prefixLength: one.prefixLength),
        theirs.contains(prefix.network) || prefix.contains(address)
      else { continue }
      return "\(one.interface) (\(theirs.network)/\(one.prefixLength))"
    }
    return nil
  }
}
