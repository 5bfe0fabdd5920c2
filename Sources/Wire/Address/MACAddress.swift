// SPDX-License-Identifier: Apache-2.0
//
// A 48-bit Ethernet address (IEEE 802 §8).

/// An Ethernet address; its 48 bits are the low bits of `rawValue`, first byte highest.
public struct MACAddress: Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt64

  /// Bits above the 48th are dropped.
  @inlinable @inline(__always)
  public init(_ rawValue: UInt64) { self.rawValue = rawValue & 0xffff_ffff_ffff }

  public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ e: UInt8, _ f: UInt8) {
    let high = UInt64(a) << 40 | UInt64(b) << 32 | UInt64(c) << 24
    self.init(high | UInt64(d) << 16 | UInt64(e) << 8 | UInt64(f))
  }

  @inlinable public static var zero: MACAddress { MACAddress(0) }
  @inlinable public static var broadcast: MACAddress { MACAddress(0xffff_ffff_ffff) }
  /// The nearest bridge's group (IEEE 802.1Q, 8.6.3).
  @inlinable public static var nearestBridge: MACAddress { MACAddress(0x0180_c200_000e) }

  /// Group address: broadcast or multicast.
  @inlinable @inline(__always)
  public var isMulticast: Bool { rawValue >> 40 & 1 != 0 }

  /// 01:80:c2:00:00:0x: bridge protocols and pause frames, which a bridge does not forward (IEEE 802.1Q, 8.6.3).
  @inlinable @inline(__always)
  public var isBridgeGroup: Bool { rawValue & ~0xf == 0x0180_c200_0000 }

  /// Whether one station can have it: neither a group address nor all zero.
  @inlinable @inline(__always)
  public var isUnicast: Bool { !isMulticast && rawValue != 0 }

  /// The six bytes as an array of C is imported.
  public typealias Bytes = (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)

  public init(bytes: Bytes) {
    self.init(bytes.0, bytes.1, bytes.2, bytes.3, bytes.4, bytes.5)
  }

  public var bytes: Bytes { (byte(0), byte(1), byte(2), byte(3), byte(4), byte(5)) }

  private func byte(_ index: UInt64) -> UInt8 {
    UInt8(truncatingIfNeeded: rawValue >> (40 - index * 8))
  }
}

extension MACAddress: CustomStringConvertible {
  /// Reads six pairs of hexadecimal digits joined by `:` or `-`.
  public init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8.prefix(18))
    guard bytes.count == 17 else { return nil }
    let separator = bytes[2]
    guard separator == UInt8(ascii: ":") || separator == UInt8(ascii: "-") else { return nil }
    var value: UInt64 = 0
    for (index, byte) in bytes.enumerated() {
      if index % 3 == 2 {
        guard byte == separator else { return nil }
      } else {
        guard let digit = hexDigit(byte) else { return nil }
        value = value << 4 | UInt64(digit)
      }
    }
    self.init(value)
  }

  /// `52:55:55:12:34:56`
  public var description: String {
    (UInt64(0)..<6).map { index in
      let value = byte(index)
      return (value < 16 ? "0" : "") + String(value, radix: 16)
    }.joined(separator: ":")
  }
}
