// SPDX-License-Identifier: Apache-2.0
//
// What the options of a plugin say of IPv6: whether there is any, the guests' network and the gateway's address in it.

import LimaNetdSDK
import NetStack
import Wire

package struct IPv6Options: Equatable, Sendable {
  package var isOn: Bool
  /// A /64; nil: the network's own (PrefixFile).
  package var prefix: CIDR?
  /// In `prefix`; nil: its second address.
  package var gateway: IPAddress?

  package static let off = IPv6Options()

  private init() { isOn = false }

  package init(_ options: Options) throws(PluginFailure) {
    isOn = try options.bool("ipv6") ?? true
    if let text = try options.string("prefix6") {
      guard let prefix = CIDR(text), prefix.prefixLength == 64, prefix.network == prefix.address,
        Self.isPossible(prefix.network)
      else {
        throw .invalid(
          "/prefix6",
          "\(text) is not an IPv6 network of 64 bits that guests can have, as fd12:3456:789a::/64")
      }
      self.prefix = prefix
    }
    guard let text = try options.string("gateway6") else { return }
    guard let address = IPAddress(text), Self.isPossible(address) else {
      throw .invalid(
        "/gateway6", "\(text) is not an IPv6 address that a gateway can have, as fd12:3456:789a::2")
    }
    let network = prefix ?? CIDR(address.with(interfaceIdentifier: 0), prefixLength: 64)
    guard let network, network.contains(address), address != network.network else {
      throw .invalid(
        "/gateway6",
        "\(address) is not an address of a router in \(prefix?.description ?? "its network")")
    }
    prefix = network
    gateway = address
  }

  /// Unicast of more than one link.
  private static func isPossible(_ address: IPAddress) -> Bool {
    !address.isV4 && address.isUnicast && !address.isLoopback && !address.isLinkLocal
  }

  /// Members of `properties` in a JSON Schema, without a comma behind the last.
  package static let schema = #"""
        "ipv6": {
          "type": "boolean",
          "default": true,
          "description": "Whether guests have IPv6. They get a default route only while the host has one."
        },
        "prefix6": {
          "type": "string",
          "format": "cidr",
          "description": "The guests' IPv6 network, of 64 bits. Default: one of their own (RFC 4193), random once and kept with the network."
        },
        "gateway6": {
          "type": "string",
          "format": "ipv6",
          "description": "The gateway's address in it, which stands for the host as `gateway` does. Default: the network's second, fd12:3456:789a::2."
        }
    """#
}
