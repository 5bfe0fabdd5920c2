// SPDX-License-Identifier: Apache-2.0
//
// HostRoutes: the IPv4 networks this machine has a route to, besides the default route: its own interfaces' and those of
// VPNs. Linux: /proc/net/route of the caller's network namespace. Elsewhere none are known.

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
  /// - Throws: an error of reading the table; malformed lines are skipped.
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
