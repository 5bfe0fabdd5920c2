// SPDX-License-Identifier: Apache-2.0
//
// IPv6 prefixes of networks.yaml and of the host: overlaps, the prefix given by options, and the default prefix of a
// network on the host. Pure.

import DNSMessage
import HostProtocol
import Platform

/// An address with a prefix length.
package struct IPv6Network: Sendable, Hashable, CustomStringConvertible {
  package var high: UInt64
  package var low: UInt64
  /// 0 to 128.
  package var prefixLength: Int

  /// Nil for more than 128 bits.
  package init?(high: UInt64, low: UInt64, prefixLength: Int) {
    guard (0...128).contains(prefixLength) else { return nil }
    self.high = high
    self.low = low
    self.prefixLength = prefixLength
  }

  /// "fd12:3456:789a::1/64"
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let length = Int(parts[1]),
      case .v6(let high, let low)? = DNSAddress(String(parts[0]))
    else { return nil }
    self.init(high: high, low: low, prefixLength: length)
  }

  package init?(_ address: HostAddress6) {
    self.init(high: address.high, low: address.low, prefixLength: address.prefixLength)
  }

  /// With the bits after the prefix cleared.
  package var network: IPv6Network {
    var network = self
    network.high &= Self.mask(prefixLength)
    network.low &= Self.mask(prefixLength - 64)
    return network
  }

  package var address: String { DNSAddress.v6(high, low).description }
  package var description: String { "\(address)/\(prefixLength)" }

  package func overlaps(_ other: IPv6Network) -> Bool {
    let length = min(prefixLength, other.prefixLength)
    return (high ^ other.high) & Self.mask(length) == 0
      && (low ^ other.low) & Self.mask(length - 64) == 0
  }

  /// Whether the route is for this prefix or a part of it. A route with a shorter prefix is no conflict: the longest match
  /// is this network's.
  package func clashes(withRoute other: IPv6Network) -> Bool {
    other.prefixLength >= prefixLength && overlaps(other)
  }

  /// In fe80::/10, which every interface has.
  package var isLinkLocal: Bool { high >> 54 == 0xfe80 >> 6 }

  private static func mask(_ length: Int) -> UInt64 {
    length <= 0 ? 0 : length >= 64 ? .max : ~(UInt64.max >> UInt64(length))
  }
}

extension IPv6Network {
  /// The prefix and gateway given by options; `gateway6` alone implies its /64. Nil: none is given, or it is invalid.
  static func named(by options: JSONObject, gateway number: UInt64) -> IPv6Network? {
    if case .string(let text) = options["gateway6"] { return IPv6Network(text + "/64") }
    guard case .string(let text) = options["prefix6"], var network = IPv6Network(text),
      network.prefixLength == 64
    else { return nil }
    network.low = number
    return network
  }

  /// The unique local prefix (RFC 4193) of a network with an interface of the host. It is the same for all users, as its
  /// IPv4 subnet is, so that the arguments in sudoers do not depend on the user. The global identifier is derived from the
  /// machine id and the network's name (§3.2.2: a hash of what is unique to the machine).
  static func onHost(of network: String, machineID: String) -> IPv6Network {
    let digest = SHA256.of(Array("lima-netd prefix6 \(machineID) \(network)".utf8))
    let identifier = UInt64(digest.prefix(10), radix: 16) ?? 0
    // 64 is a valid prefix length.
    return IPv6Network(high: 0xfd << 56 | identifier << 16, low: 1, prefixLength: 64)
      .unsafelyUnwrapped
  }
}

extension NetworkConfiguration {
  /// The mode's own options and those common to all modes.
  private var allOptions: JSONObject {
    var options = settings.options
    for member in settings.commonOptions.members where options[member.name] == nil {
      options[member.name] = member.value
    }
    return options
  }

  /// Its IPv6 prefix, if it has IPv6. With another daemon's socket that daemon's prefix is in effect, and this is nil.
  package var network6: IPv6Network? {
    guard peerSocket == nil, settings.mode != "bridged",
      allOptions["ipv6"].map({ $0 != .bool(false) }) ?? true
    else { return nil }
    return IPv6Network.named(by: allOptions, gateway: 0)?.network
  }
}
