// SPDX-License-Identifier: Apache-2.0
//
// IPv4Address, IPv4Subnet: addresses in networks.yaml. Values; host byte order.

package struct IPv4Address: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
  package var value: UInt32

  package init(_ value: UInt32) {
    self.value = value
  }

  /// Parses four decimal numbers with dots, without leading zeros (which some parsers read as octal).
  package init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }),
        part.utf8.count == 1 || part.utf8.first != 48, let byte = UInt8(part)
      else { return nil }
      value = value << 8 | UInt32(byte)
    }
    self.value = value
  }

  package static func < (left: Self, right: Self) -> Bool { left.value < right.value }

  package var description: String {
    "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
  }

  /// 169.254.0.0/16 (RFC 3927).
  package var isLinkLocal: Bool { value >> 16 == 0xA9FE }

  /// An address that a host can have: not 0.0.0.0/8, loopback, multicast or above.
  package var isUnicast: Bool {
    let first = value >> 24
    return first != 0 && first != 127 && first < 224
  }
}

package struct IPv4Subnet: Sendable, Hashable, CustomStringConvertible {
  package let network: IPv4Address
  package let prefixLength: Int

  /// The subnet `address` lies in.
  package init(containing address: IPv4Address, prefixLength: Int) {
    self.prefixLength = min(max(prefixLength, 0), 32)
    self.network = IPv4Address(address.value & Self.mask(self.prefixLength))
  }

  package var broadcast: IPv4Address {
    IPv4Address(network.value | ~Self.mask(prefixLength))
  }

  package func contains(_ address: IPv4Address) -> Bool {
    address.value & Self.mask(prefixLength) == network.value
  }

  package func overlaps(_ other: IPv4Subnet) -> Bool {
    contains(other.network) || other.contains(network)
  }

  package var description: String { "\(network)/\(prefixLength)" }

  package static func mask(_ prefixLength: Int) -> UInt32 {
    prefixLength <= 0 ? 0 : UInt32.max << UInt32(32 - min(prefixLength, 32))
  }

  /// The prefix length of a netmask; nil if its ones are not contiguous from the front.
  package static func prefixLength(ofMask mask: IPv4Address) -> Int? {
    let ones = (~mask.value).leadingZeroBitCount
    return Self.mask(ones) == mask.value ? ones : nil
  }
}
