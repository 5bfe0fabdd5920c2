// SPDX-License-Identifier: Apache-2.0
//
// An IP address of either family. IPv4 is held as its IPv4-mapped IPv6 address
// (RFC 4291 §2.5.5.2), so that flow keys, tables and policies have one shape
// for both families. The mapped range is therefore never accepted from an IPv6
// header (Wire/IPv6.swift refuses it): an address in memory with the mapped
// prefix always means IPv4.

/// An IPv4 or IPv6 address: 16 trivial bytes, compared and hashed as such.
public struct IPAddress: Hashable, Sendable, BitwiseCopyable {
  /// The first eight bytes as a big-endian number. 0 for IPv4.
  public var high: UInt64
  /// The last eight bytes as a big-endian number. 0x0000ffff_aabbccdd for IPv4.
  public var low: UInt64

  @inlinable @inline(__always)
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// - Parameter v4: the address as a number: 192.168.5.2 is 0xc0a80502.
  @inlinable @inline(__always)
  public init(v4: UInt32) {
    high = 0
    low = 0x0000_ffff_0000_0000 | UInt64(v4)
  }

  @inlinable @inline(__always)
  public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
    self.init(v4: UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d))
  }

  @inlinable @inline(__always)
  public var isV4: Bool { high == 0 && low >> 32 == 0xffff }

  /// The IPv4 address as a number; the last 32 bits of an IPv6 address.
  @inlinable @inline(__always)
  public var v4: UInt32 { UInt32(truncatingIfNeeded: low) }

  /// The number of bits of an address of this family: 32 or 128.
  @inlinable @inline(__always)
  public var bitWidth: Int { isV4 ? 32 : 128 }
}

extension IPAddress {
  @inlinable public static var anyV4: IPAddress { IPAddress(v4: 0) }
  @inlinable public static var broadcastV4: IPAddress { IPAddress(v4: 0xffff_ffff) }
  @inlinable public static var loopbackV4: IPAddress { IPAddress(127, 0, 0, 1) }
  @inlinable public static var anyV6: IPAddress { IPAddress(high: 0, low: 0) }
  @inlinable public static var loopbackV6: IPAddress { IPAddress(high: 0, low: 1) }

  /// 0.0.0.0 or ::
  public var isUnspecified: Bool { isV4 ? v4 == 0 : high == 0 && low == 0 }

  /// 127.0.0.0/8 or ::1
  public var isLoopback: Bool { isV4 ? v4 >> 24 == 127 : high == 0 && low == 1 }

  /// 224.0.0.0/4 or ff00::/8
  public var isMulticast: Bool { isV4 ? v4 >> 28 == 0xe : high >> 56 == 0xff }

  /// 255.255.255.255. A subnet's own broadcast address is `CIDR.broadcast`.
  public var isLimitedBroadcast: Bool { self == .broadcastV4 }

  /// 169.254.0.0/16 or fe80::/10
  public var isLinkLocal: Bool { isV4 ? v4 >> 16 == 0xa9fe : high >> 54 == 0x3fa }

  /// ::/96 without :: and ::1: IPv4-compatible addresses, deprecated by RFC 4291 §2.5.5.1.
  public var isV4Compatible: Bool { high == 0 && low >> 32 == 0 && low > 1 }

  /// 240.0.0.0/4 without the limited broadcast, and 0.0.0.0/8 without 0.0.0.0:
  /// addresses that no host may have (RFC 1122 §3.2.1.3, RFC 6890).
  public var isReserved: Bool {
    guard isV4 else { return false }
    return (v4 >> 28 == 0xf && v4 != 0xffff_ffff) || (v4 >> 24 == 0 && v4 != 0)
  }

  /// Whether one host can have this address: neither unspecified, multicast,
  /// broadcast nor reserved.
  public var isUnicast: Bool {
    !isUnspecified && !isMulticast && !isLimitedBroadcast && !isReserved
  }
}

extension IPAddress: Comparable {
  /// IPv4 before the IPv6 addresses above ::ffff:0:0/96; numerical within a family.
  public static func < (a: IPAddress, b: IPAddress) -> Bool {
    a.high != b.high ? a.high < b.high : a.low < b.low
  }
}
