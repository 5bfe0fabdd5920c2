// SPDX-License-Identifier: Apache-2.0
//
// Classes of IPv6 addresses by prefix, and addresses that share a prefix.

extension IPAddress {
  /// ff02::1:ff00:0/104 (RFC 4291 §2.7.1).
  public var isSolicitedNode: Bool { high == 0xff02 << 48 && low >> 24 == 0x1_ff }

  /// fc00::/7 (RFC 4193).
  public var isUniqueLocal: Bool { high >> 57 == 0x7e }

  /// The same first 64 bits, another interface identifier.
  public func with(interfaceIdentifier: UInt64) -> IPAddress {
    IPAddress(high: high, low: interfaceIdentifier)
  }
}
