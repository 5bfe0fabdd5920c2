// SPDX-License-Identifier: Apache-2.0
//
// NAT64: the IPv4 Internet for guests that have IPv6 alone (RFC 6146). A guest's flow to an address of the prefix is one of the
// host's sockets to the IPv4 address in its last 32 bits (RFC 6052 §2.2); no packet is translated. The egress rules are asked
// about that address, and none of the network's own is behind the prefix, so that it is no way around them.

import Wire

/// The prefix of translated addresses, of 96 bits.
public struct NAT64: Equatable, Sendable {
  /// 64:ff9b::/96 (RFC 6052 §2.1), which stands for public IPv4 addresses only (§3.1).
  public static let wellKnown = NAT64(high: 0x0064_ff9b_0000_0000, low: 0)

  private let high: UInt64
  private let low: UInt64
  public var isWellKnown: Bool { self == Self.wellKnown }

  private init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Nil for a prefix that addresses cannot be embedded in: one that is not of 96 bits, whose bits 64 to 71 are not 0, or that is
  /// not one of unicast addresses beyond a link.
  public init?(_ prefix: CIDR) {
    let address = prefix.network
    guard prefix.prefixLength == 96, !address.isV4, address == prefix.address, address.isUnicast,
      !address.isLinkLocal, !address.isV4Compatible, address.low >> 56 == 0
    else { return nil }
    self.init(high: address.high, low: address.low)
  }

  public var prefix: IPAddress { IPAddress(high: high, low: low) }

  /// The address by which guests know an IPv4 address.
  public func address(of v4: IPAddress) -> IPAddress {
    IPAddress(high: high, low: low | UInt64(v4.v4))
  }

  /// The IPv4 address that an address of the prefix stands for; nil: it is not of the prefix.
  @inline(__always)
  public func embedded(in address: IPAddress) -> IPAddress? {
    address.high == high && address.low >> 32 == low >> 32
      ? IPAddress(v4: UInt32(truncatingIfNeeded: address.low)) : nil
  }

  /// Whether an IPv4 address may stand behind the prefix (RFC 6052 §3.1).
  func stands(for v4: IPAddress) -> Bool {
    !isWellKnown || !EgressPolicy.special.contains { $0.contains(v4) }
  }
}
