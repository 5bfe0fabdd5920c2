// SPDX-License-Identifier: Apache-2.0
//
// Domain search lists for DHCP (RFC 3397): names in DNS format, the whole list with common compression pointers (RFC
// 1035 §4.1.4); and single names without compression.

package enum DomainSearch {
  /// The value of option 119. Names that DNS cannot encode (an empty label, one over 63 bytes, a name over 255) are
  /// left out.
  package static func encode(_ domains: [String]) -> [UInt8] {
    var bytes: [UInt8] = []
    var offsets: [String: Int] = [:]
    for domain in domains {
      guard let labels = labels(of: domain) else { continue }
      append(labels, to: &bytes, offsets: &offsets)
    }
    return bytes
  }

  /// One name without pointers, for DHCPv6 and router advertisements (RFC 8415 §10, RFC 8106 §5.2). Nil when DNS
  /// cannot encode it.
  package static func plain(_ domain: String) -> [UInt8]? {
    labels(of: domain).map { $0.flatMap { [UInt8($0.utf8.count)] + $0.utf8 } + [0] }
  }

  private static func labels(of domain: String) -> [Substring]? {
    let name = domain.hasSuffix(".") ? domain.dropLast() : domain[...]
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    return labels.allSatisfy { (1...63).contains($0.utf8.count) } && name.utf8.count <= 253
      ? labels : nil
  }

  private static func append(
    _ labels: [Substring], to bytes: inout [UInt8], offsets: inout [String: Int]
  ) {
    for index in labels.indices {
      let rest = labels[index...].joined(separator: ".").lowercased()
      if let offset = offsets[rest] {
        bytes += [0xc0 | UInt8(offset >> 8), UInt8(offset & 0xff)]
        return
      }
      // Pointers have 14 bits.
      if bytes.count < 0x4000 { offsets[rest] = bytes.count }
      bytes.append(UInt8(labels[index].utf8.count))
      bytes += labels[index].utf8
    }
    bytes.append(0)
  }
}
