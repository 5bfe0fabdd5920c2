// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The address of a nameserver.
package struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
  package var address: DNSAddress
  package var port: UInt16
  /// Interface of a link-local address, by name or number; "" for none.
  package var zone: String

  package init(address: DNSAddress, port: UInt16 = 53, zone: String = "") {
    self.address = address
    self.port = port
    self.zone = zone
  }

  /// "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "fe80::1%eth0", "[::1]:53".
  package init?(_ text: String) {
    var host = text[...]
    var port: UInt16 = 53
    if text.first == "[" {
      guard let close = text.lastIndex(of: "]") else { return nil }
      host = text[text.index(after: text.startIndex)..<close]
      let rest = text[text.index(after: close)...]
      guard host.contains(":") else { return nil }
      if !rest.isEmpty {
        guard rest.first == ":", let value = Self.port(rest.dropFirst()) else { return nil }
        port = value
      }
    } else if let colon = text.firstIndex(of: ":"), text.lastIndex(of: ":") == colon {
      guard let value = Self.port(text[text.index(after: colon)...]) else { return nil }
      host = text[..<colon]
      port = value
    }
    var zone = ""
    if let percent = host.firstIndex(of: "%") {
      zone = String(host[host.index(after: percent)...])
      host = host[..<percent]
      guard !zone.isEmpty, host.contains(":") else { return nil }
    }
    guard let address = DNSAddress(host) else { return nil }
    self.init(address: address, port: port, zone: zone)
  }

  private static func port(_ text: Substring) -> UInt16? {
    guard text.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let value = UInt16(text), value > 0 else {
      return nil
    }
    return value
  }

  package var description: String {
    let suffix = zone.isEmpty ? "" : "%\(zone)"
    switch address {
    case .v4: return port == 53 ? "\(address)" : "\(address):\(port)"
    case .v6: return port == 53 ? "\(address)\(suffix)" : "[\(address)\(suffix)]:\(port)"
    }
  }
}
