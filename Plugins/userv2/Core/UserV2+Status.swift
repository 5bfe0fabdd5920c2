// SPDX-License-Identifier: Apache-2.0
//
// What `lima-netd status` shows of a user-v2 network.

import Gateway
import LimaNetdSDK
import NetStack

extension UserV2 {
  /// Addresses, guests and counters; counters since the network started.
  var statusReport: JSONValue {
    let link = stack.link(of: port)
    return .object(
      [
        "network": .string("\(options.subnet.network)/\(options.subnet.prefixLength)"),
        "gateway": .string(options.router.description),
        "dns": .string(options.router.description),
        "hostLoopback": .bool(options.common.hostLoopback),
        "guests": JSONValue(directory.guestCount),
        "names": JSONValue(directory.nameCount),
        "leases": JSONValue(dhcp.leases().count),
        "shares": stack.shareList { directory.guestName(of: $0) },
        "link": link == 0 ? .null : .object(stack.linkMembers(link)),
      ] + stack.statusMembers)
  }
}
