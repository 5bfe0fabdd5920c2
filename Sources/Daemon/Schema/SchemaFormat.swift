// SPDX-License-Identifier: Apache-2.0
//
// SchemaFormat: the values of `format` that are validated. Others are annotations, as in JSON Schema 2020-12.

import LibC

package enum SchemaFormat {
  package static func matches(_ text: String, format: String) -> Bool {
    switch format {
    case "ipv4": return IPv4Address(text) != nil
    case "ipv6": return isIPv6(text)
    case "ipv4-or-6": return IPv4Address(text) != nil || isIPv6(text)
    case "cidr": return isCIDR(text)
    case "mac": return isMAC(text)
    case "duration": return isDuration(text)
    default: return true
    }
  }

  static func describe(_ format: String) -> String {
    switch format {
    case "ipv4": return "IPv4 address: write it as 192.168.5.2"
    case "ipv6": return "IPv6 address: write it as fd00::2"
    case "ipv4-or-6": return "IP address: write it as 192.168.5.2 or fd00::2"
    case "cidr": return "subnet: write it as 192.168.5.0/24"
    case "mac": return "MAC address: write it as 52:55:55:12:34:56"
    case "duration": return "duration: write it as 500ms, 10s, 5m or 1h30m"
    default: return format
    }
  }

  static func isIPv6(_ text: String) -> Bool {
    guard text.utf8.count < 46, !text.utf8.contains(0) else { return false }
    var address = in6_addr()
    return inet_pton(AF_INET6, text, &address) == 1
  }

  static func isCIDR(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, (1...3).contains(parts[1].utf8.count),
      parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(parts[1])
    else { return false }
    if IPv4Address(String(parts[0])) != nil { return length <= 32 }
    return isIPv6(String(parts[0])) && length <= 128
  }

  static func isMAC(_ text: String) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    return parts.count == 6
      && parts.allSatisfy { $0.utf8.count == 2 && $0.allSatisfy { $0.isHexDigit && $0.isASCII } }
  }

  static func isDuration(_ text: String) -> Bool { DurationText.nanoseconds(text) != nil }
}

/// Durations in options and arguments.
package enum DurationText {
  /// One or more of NUMBER UNIT with units ms, s, m, h, as 500ms, 10s, 1h30m, 1.5s; nil for other text, and for more than
  /// 584 years.
  package static func nanoseconds(_ text: String) -> UInt64? {
    guard !text.isEmpty, text.utf8.count <= 64 else { return nil }
    var rest = Substring(text)
    var total = 0.0
    while !rest.isEmpty {
      let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
      guard number.first != ".", number.last != ".", let value = Double(number) else { return nil }
      rest = rest.dropFirst(number.count)
      let units = [("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)]
      guard let unit = units.first(where: { rest.hasPrefix($0.0) }) else { return nil }
      rest = rest.dropFirst(unit.0.count)
      total += value * unit.1
    }
    return UInt64(exactly: total.rounded())
  }
}
