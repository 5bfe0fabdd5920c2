// SPDX-License-Identifier: Apache-2.0

/// The IPv4 or IPv6 address of an A or AAAA record.
package enum DNSAddress: Hashable, Sendable {
  case v4(UInt32)
  case v6(UInt64, UInt64)

  /// 4 or 16 octets in network order; nil for any other number.
  package init?(octets: some Collection<UInt8>) {
    switch octets.count {
    case 4: self = .v4(octets.reduce(0) { $0 << 8 | UInt32($1) })
    case 16:
      self = .v6(
        octets.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
        octets.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
    default: return nil
    }
  }

  /// In network order.
  package var octets: [UInt8] {
    switch self {
    case .v4(let value):
      (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    case .v6(let high, let low):
      (0..<16).map {
        UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - 8 * UInt64($0 & 7)))
      }
    }
  }

  /// A or AAAA
  package var type: DNSType {
    switch self {
    case .v4: .a
    case .v6: .aaaa
    }
  }
}

extension DNSAddress: CustomStringConvertible {
  /// Dotted quad without leading zeros, or RFC 4291 2.2 text without a zone.
  package init?(_ text: some StringProtocol) {
    if text.utf8.contains(UInt8(ascii: ":")) {
      guard let groups = Self.groups(of: String(text)) else { return nil }
      let value = groups.map { UInt64($0) }
      self = .v6(
        value[0] << 48 | value[1] << 32 | value[2] << 16 | value[3],
        value[4] << 48 | value[5] << 32 | value[6] << 16 | value[7])
    } else {
      guard let value = Self.quad(text) else { return nil }
      self = .v4(value)
    }
  }

  private static func quad(_ text: some StringProtocol) -> UInt32? {
    let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard (1...3).contains(part.count), part.allSatisfy({ $0 &- 0x30 < 10 }),
        part.count == 1 || part.first != 0x30
      else { return nil }
      let octet = part.reduce(0) { $0 * 10 + UInt32($1 &- 0x30) }
      guard octet <= 255 else { return nil }
      value = value << 8 | octet
    }
    return value
  }

  private static func groups(of text: String) -> [UInt16]? {
    guard text.utf8.count <= 45 else { return nil }
    let gap = text.utf8.indices.first { text.utf8[$0...].starts(with: "::".utf8) }
    if let gap {
      guard let head = plainGroups(text[..<gap]),
        let tail = plainGroups(text[text.utf8.index(gap, offsetBy: 2)...]),
        head.count + tail.count <= 7
      else { return nil }
      return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }
    guard let all = plainGroups(text[...]), all.count == 8 else { return nil }
    return all
  }

  /// Groups without "::"; the last may be a dotted quad.
  private static func plainGroups(_ text: Substring) -> [UInt16]? {
    if text.isEmpty { return [] }
    var groups: [UInt16] = []
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 8 else { return nil }
    for (index, part) in parts.enumerated() {
      if index == parts.count - 1, part.contains(".") {
        guard let value = quad(part) else { return nil }
        groups += [UInt16(value >> 16), UInt16(truncatingIfNeeded: value)]
      } else {
        guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ $0 != 0x2B && $0 != 0x2D }),
          let value = UInt16(part, radix: 16)
        else { return nil }
        groups.append(value)
      }
    }
    return groups
  }

  /// Dotted quad, or RFC 5952.
  package var description: String {
    switch self {
    case .v4(let value):
      return "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    case .v6(let high, let low):
      let groups = (0..<8).map {
        UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - 16 * UInt64($0 & 3)))
      }
      // The first of the longest runs of two or more zero groups becomes "::".
      var best = 0..<0
      var start = 0
      for index in 0...8 where index == 8 || groups[index] != 0 {
        if index - start > max(best.count, 1) { best = start..<index }
        start = index + 1
      }
      let hex = groups.map { String($0, radix: 16) }
      if best.isEmpty { return hex.joined(separator: ":") }
      return hex[..<best.lowerBound].joined(separator: ":") + "::"
        + hex[best.upperBound...].joined(separator: ":")
    }
  }
}
