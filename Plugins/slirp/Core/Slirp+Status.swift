// SPDX-License-Identifier: Apache-2.0
//
// What `lima-netd status` shows of a slirp network.

import GatewayCore
import LimaNetdSDK
import NetStack

extension Slirp {
  /// Addresses, guests and counters; counters since the network started.
  var statusReport: JSONValue {
    .object(
      [
        .init("gateway", .string(options.gateway.description)),
        .init("address", .string(options.address.description)),
        .init("dns", .string(options.dns.description)),
        .init("hostLoopback", .bool(options.common.hostLoopback)),
        .init("guests", .array(stack.allLinks.map(guest))),
      ] + stack.statusMembers)
  }

  private func guest(_ link: UInt32) -> JSONValue {
    let state = stack.links.pointer(link).pointee
    let address = state.guestAddress
    return .object(
      [
        .init("name", .string(stack.services(of: link)?.name ?? "")),
        .init("mac", .string(state.guestMAC.description)),
        .init("address", address.isUnspecified ? nil : .string(address.description)),
        .init("mtu", JSONValue(state.mtu)),
      ] + stack.linkMembers(link))
  }
}
