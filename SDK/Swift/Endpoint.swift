// SPDX-License-Identifier: Apache-2.0
//
// lnd_endpoint in Swift: an IP address with an optional port number. IPv4 is ::ffff:a.b.c.d (RFC 4291 §2.5.5.2).

import PluginAPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// An IP address and a port number. Trivial.
public struct Endpoint: Sendable, Equatable, Hashable, CustomStringConvertible {
  /// Bytes 0 to 7 of the address, first byte highest, and bytes 8 to 15.
  public var high: UInt64
  public var low: UInt64
  /// TCP or UDP port number; 0: none, or any.
  public var port: UInt16
  /// For a link-local address of the host the index of its interface; otherwise 0.
  public var scope: UInt32

  /// All zero: "::", or no address.
  public init(high: UInt64 = 0, low: UInt64 = 0, port: UInt16 = 0, scope: UInt32 = 0) {
    self.high = high
    self.low = low
    self.port = port
    self.scope = scope
  }

  /// - Parameter v4: first byte highest.
  public init(v4: UInt32, port: UInt16 = 0) {
    self.init(low: 0xffff_0000_0000 | UInt64(v4), port: port)
  }

  public init(_ raw: lnd_endpoint) {
    (high, low) = withUnsafeBytes(of: raw.address) { bytes in
      (
        UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
    port = raw.port
    scope = raw.scope
  }

  /// The C struct.
  public var raw: lnd_endpoint {
    var raw = lnd_endpoint()
    withUnsafeMutableBytes(of: &raw.address) { bytes in
      bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
      bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
    raw.port = port
    raw.scope = scope
    return raw
  }

  /// Whether all bytes are zero: no address.
  public var isNone: Bool { high == 0 && low == 0 && port == 0 }
  public var isV4: Bool { high == 0 && low >> 32 == 0xffff }

  /// "192.168.5.15" or "fd00::15", without a port.
  public init?(address text: String) {
    self.init()
    if text.utf8.contains(UInt8(ascii: ":")) {
      var address = in6_addr()
      guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
      (high, low) = withUnsafeBytes(of: address) { bytes in
        (
          UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
          UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
      }
    } else {
      var address = in_addr()
      guard inet_pton(AF_INET, text, &address) == 1 else { return nil }
      self.init(v4: UInt32(bigEndian: address.s_addr))
    }
  }

  /// The address without the port number: "192.168.5.15" or "fd00::15" (RFC 5952).
  public var address: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    if isV4 {
      var v4 = in_addr(s_addr: UInt32(truncatingIfNeeded: low).bigEndian)
      _ = inet_ntop(AF_INET, &v4, &text, socklen_t(text.count))
    } else {
      var v6 = in6_addr()
      withUnsafeMutableBytes(of: &v6) { bytes in
        bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
        bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
      }
      _ = inet_ntop(AF_INET6, &v6, &text, socklen_t(text.count))
    }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// "192.168.5.15:80", "[fd00::15]:80"
  public var description: String { isV4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
