// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 address that an interface of the host's has, and what of the host's IPv6 lies in a network of guests.

import NetStack
import Platform
import Wire

package enum InterfaceAddress {
  /// Of a /64, beyond the link; the first of them. Nil: there is none.
  package static func ipv6(of interface: String) -> IPAddress? {
    let all = (try? HostInterfaces.addresses6()) ?? []
    return all.first { $0.interface == interface && !$0.isLinkLocal && $0.prefixLength == 64 }
      .map { IPAddress(high: $0.high, low: $0.low) }
  }

  /// Another interface by which the host reaches addresses of the network: "eth0 (fd12:3456:789a::/64)".
  /// - Parameter own: the network's interface, or "".
  static func holder(of prefix: CIDR, except own: String) -> String? {
    let addresses = ((try? HostInterfaces.addresses6()) ?? []).filter { !$0.isLinkLocal }
    // A wider route stays where it is: the longest match is the network's own.
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
