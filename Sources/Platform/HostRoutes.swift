// SPDX-License-Identifier: Apache-2.0
//
// HostRoutes: the networks this machine has a route to, besides the default route: its own interfaces' and those of
// VPNs. Linux: /proc/net/route and ipv6_route of the caller's network namespace. Elsewhere none are known.

package struct HostRoute: Sendable, Hashable {
  package var interface: String
  /// Host byte order.
  package var network: UInt32
  package var prefixLength: Int

  package init(interface: String, network: UInt32, prefixLength: Int) {
    self.interface = interface
    self.network = network
    self.prefixLength = prefixLength
  }
}

package enum HostRoutes {
  /// The same of IPv6, as addresses with the bits that are the route's; neither default routes nor link-local and multicast
  /// ones. An address of the host's own is a route of 128 bits.
  package static func current6() throws(SystemError) -> [HostAddress6] {
    #if os(Linux)
      let bytes = try Files.read("/proc/net/ipv6_route", limit: 4 << 20)
      return parse6(String(decoding: bytes, as: UTF8.self))
    #else
      return []
    #endif
  }

  /// The text of /proc/net/ipv6_route: destination, its prefix length, source, its prefix length, next hop, metric,
  /// reference count, use count, flags, interface; numbers are hexadecimal.
  package static func parse6(_ text: String) -> [HostAddress6] {
    text.split(separator: "\n").compactMap { line in
      let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
      guard fields.count >= 10, fields[0].utf8.count == 32,
        let high = UInt64(fields[0].prefix(16), radix: 16),
        let low = UInt64(fields[0].suffix(16), radix: 16), let length = Int(fields[1], radix: 16),
        (1...128).contains(length)
      else { return nil }
      let route = HostAddress6(
        interface: String(fields[9]), high: high, low: low, prefixLength: length)
      // ff00::/8
      return route.isLinkLocal || high >> 56 == 0xff ? nil : route
    }
  }

  /// - Throws: what reading the table throws; a line that makes no sense is passed over.
  package static func current() throws(SystemError) -> [HostRoute] {
    #if os(Linux)
      let bytes = try Files.read("/proc/net/route", limit: 4 << 20)
      return parse(String(decoding: bytes, as: UTF8.self))
    #else
      return []
    #endif
  }

  /// The text of /proc/net/route: a header line, then interface, destination, gateway, flags, 3 numbers, mask, ...
  /// separated by tabs; addresses are hexadecimal in little-endian byte order.
  package static func parse(_ text: String) -> [HostRoute] {
    text.split(separator: "\n").dropFirst().compactMap { line in
      let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
      guard fields.count >= 8, let destination = UInt32(fields[1], radix: 16),
        let mask = UInt32(fields[7], radix: 16)
      else { return nil }
      let length = (~mask.byteSwapped).leadingZeroBitCount
      guard length > 0 else { return nil }
      return HostRoute(
        interface: String(fields[0]), network: destination.byteSwapped, prefixLength: length)
    }
  }
}
