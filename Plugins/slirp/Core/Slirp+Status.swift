// SPDX-License-Identifier: Apache-2.0
//
// The status of a slirp network, shown by `lima-netd status`.

import Gateway
import LimaNetdSDK
import NetStack

extension Slirp {
  /// Addresses, guests and counters; counters since the network started.
  var statusReport: JSONValue {
    .object(
      [
        "gateway": .string(options.gateway.description),
        "address": .string(options.address.description),
        "dns": .string(options.dns.description),
        "hostLoopback": .bool(options.common.hostLoopback),
        "guests": .array(stack.allLinks.map(guest)),
      ] + ipv6Members + stack.statusMembers)
  }

  private func guest(_ link: UInt32) -> JSONValue {
    let state = stack.links.pointer(link).pointee
    let address = state.guestAddress
    return .object(
      [
        "name": .string(stack.services(of: link)?.name ?? ""),
        "mac": .string(state.guestMAC.description),
        "address": address.isUnspecified ? nil : .string(address.description),
        "addresses6": .array(
          (ipv6?.addresses(port: state.port) ?? []).filter { !$0.isTentative }.map {
            .string($0.address.description)
          }),
        "mtu": JSONValue(state.mtu),
        "share": stack.shareMembers(ofGuestAt: link),
      ] + stack.linkMembers(link))
  }
}
