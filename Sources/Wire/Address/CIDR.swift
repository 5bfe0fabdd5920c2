// SPDX-License-Identifier: Apache-2.0
//
// An address with its prefix length (RFC 4632 §3.1, RFC 4291 §2.3).

/// `192.168.5.2/24`: an address and the network it lies in. The host part is kept;
/// `network` is the address without it.
public struct CIDR: Hashable, Sendable, BitwiseCopyable {
  public let address: IPAddress
  /// Bits of the address's own family: 0...32 or 0...128.
  public let prefixLength: Int

  /// Nil when the prefix is longer than an address of this family.
  public init?(_ address: IPAddress, prefixLength: Int) {
    guard (0...address.bitWidth).contains(prefixLength) else { return nil }
    self.address = address
    self.prefixLength = prefixLength
  }

  /// The mask over the 16 bytes (for IPv4 its last 32 bits are the netmask).
  @inline(__always)
  private var mask: (high: UInt64, low: UInt64) {
    let bits = address.isV4 ? prefixLength + 96 : prefixLength
    // Smart shifts: a shift by 64 gives 0 and doesn't trap.
    let high = ~UInt64(0) << (64 - min(bits, 64))
    let low = ~UInt64(0) << (128 - max(bits, 64))
    return (high, low)
  }

  /// The address with its host part zero.
  public var network: IPAddress {
    IPAddress(high: address.high & mask.high, low: address.low & mask.low)
  }

  /// The address with its host part all ones: the broadcast address of an IPv4
  /// network (of /31 and /32 it is an ordinary address, RFC 3021).
  public var broadcast: IPAddress {
    IPAddress(high: address.high | ~mask.high, low: address.low | ~mask.low)
  }

  /// 255.255.255.0 for IPv4 /24; the low 32 bits of the mask for IPv6.
  public var netmask: UInt32 { UInt32(truncatingIfNeeded: mask.low) }

  /// The address `number` after the network's own. IPv4 only.
  public func nth(_ number: UInt32) -> IPAddress { IPAddress(v4: network.v4 &+ number) }

  /// Whether `other` is of the same family and lies in this network.
  @inline(__always)
  public func contains(_ other: IPAddress) -> Bool {
    let mask = mask
    return (address.high ^ other.high) & mask.high == 0
      && (address.low ^ other.low) & mask.low == 0
      && address.isV4 == other.isV4
  }
}

extension CIDR: CustomStringConvertible {
  /// Reads `192.168.5.0/24`. Nil without a prefix length.
  public init?(_ text: some StringProtocol) {
    guard let slash = text.firstIndex(of: "/"), let address = IPAddress(text[..<slash]) else {
      return nil
    }
    let digits = text[text.index(after: slash)...]
    guard (1...3).contains(digits.utf8.count),
      digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
      let length = Int(digits)
    else { return nil }
    self.init(address, prefixLength: length)
  }

  public var description: String { "\(address)/\(prefixLength)" }
}
