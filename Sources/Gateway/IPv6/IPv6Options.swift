// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 options of a plugin: whether it is enabled, the guests' prefix, and the gateway's address.

import LimaNetdSDK
import NetStack
import Wire

package struct IPv6Options: Equatable, Sendable {
  package var isOn: Bool
  /// A /64; nil: the network's generated one (PrefixFile).
  package var prefix: CIDR?
  /// In `prefix`; nil: its second address.
  package var gateway: IPAddress?

  /// Nil: no NAT64.
  package var nat64: NAT64?

  package static let off = IPv6Options()

  private init() { isOn = false }

  /// With the /64 of a gateway's address.
  package init(gateway: IPAddress) {
    isOn = true
    self.gateway = gateway
    prefix = CIDR(gateway.with(interfaceIdentifier: 0), prefixLength: 64)
  }

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
    nat64 = try Self.nat64(options)
    if let nat64, let prefix, prefix.contains(nat64.prefix) {
      throw .invalid("/prefix64", "\(nat64.prefix)/96 is of the guests' own network \(prefix)")
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

  private static func nat64(_ options: Options) throws(PluginFailure) -> NAT64? {
    guard try options.bool("nat64") ?? false else { return nil }
    guard let text = try options.string("prefix64") else { return .wellKnown }
    guard let nat64 = CIDR(text).flatMap({ NAT64($0) }) else {
      throw .invalid(
        "/prefix64",
        "\(text) is not an IPv6 network of 96 bits that IPv4 addresses can be in, as 64:ff9b::/96 or fd64:ff9b::/96"
      )
    }
    return nat64
  }

  /// Whether the address is unicast and not link-local.
  private static func isPossible(_ address: IPAddress) -> Bool {
    !address.isV4 && address.isUnicast && !address.isLoopback && !address.isLinkLocal
  }

  /// The same for networks whose gateway is the host itself.
  package static let schemaOfHost = #"""
        "ipv6": {
          "type": "boolean",
          "default": true,
          "description": "Whether host and guests have IPv6 on the network. Guests get a default route only while the host has one."
        },
        "prefix6": {
          "type": "string",
          "format": "cidr",
          "description": "The network's IPv6 addresses, 64 bits. Default: a unique local network (RFC 4193) that follows from the machine and the network's name."
        },
        "gateway6": {
          "type": "string",
          "format": "ipv6",
          "description": "The host's own IPv6 address on the network. Default: the network's first, fd12:3456:789a::1."
        }
    """#

  /// Members of `properties` in a JSON Schema, without a trailing comma.
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
        },
        "nat64": {
          "type": "boolean",
          "default": false,
          "description": "Whether guests that have IPv6 alone reach IPv4 by addresses of prefix64 (NAT64, RFC 6146), which the network's DNS tells them (DNS64, RFC 6147)."
        },
        "prefix64": {
          "type": "string",
          "format": "cidr",
          "default": "64:ff9b::/96",
          "description": "Those addresses, 96 bits. The well-known ones stand for public IPv4 addresses only (RFC 6052); those of an own network for private ones, too."
        }
    """#
}
