// SPDX-License-Identifier: Apache-2.0
//
// What `lima-netd status` shows of a user-v2 network.

import GatewayCore
import LimaNetdSDK
import NetStack

extension UserV2 {
  /// Addresses, guests and counters; counters since the network started.
  var statusReport: JSONValue {
    let link = stack.link(of: port)
    return .object(
      [
        .init("network", .string("\(options.subnet.network)/\(options.subnet.prefixLength)")),
        .init("gateway", .string(options.router.description)),
        .init("dns", .string(options.router.description)),
        .init("hostLoopback", .bool(options.common.hostLoopback)),
        .init("guests", JSONValue(directory.guestCount)),
        .init("names", JSONValue(directory.nameCount)),
        .init("leases", JSONValue(dhcp.leases().count)),
        .init("link", link == 0 ? .null : .object(stack.linkMembers(link))),
      ] + stack.statusMembers)
  }
}
