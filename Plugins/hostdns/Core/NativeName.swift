// SPDX-License-Identifier: Apache-2.0
import DNSMessage

extension DNSName {
  /// The name in getaddrinfo's form, without the final dot; nil when it is not a host name (RFC 1123 2.1, with the
  /// underscore that glibc allows) or when getaddrinfo would parse it as an address ("1.2.3.4", "0x7f.1", "127").
  package var nativeName: String? {
    guard !isRoot else { return nil }
    let labels = self.labels
    for label in labels {
      guard label.first != UInt8(ascii: "-"), label.allSatisfy(Self.isHostCharacter) else {
        return nil
      }
    }
    // inet_aton(3) accepts up to four numbers; a name may otherwise begin with a digit.
    if labels.count <= 4, labels.allSatisfy(Self.isNumber) { return nil }
    return displayed
  }

  /// Decimal, octal or hexadecimal as strtoul(3) reads them.
  private static func isNumber(_ label: ArraySlice<UInt8>) -> Bool {
    if label.starts(with: "0x".utf8) || label.starts(with: "0X".utf8) {
      return label.dropFirst(2).allSatisfy { $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 6 }
    }
    return label.allSatisfy { $0 &- 0x30 < 10 }
  }

  private static func isHostCharacter(_ octet: UInt8) -> Bool {
    octet &- 0x30 < 10 || (octet | 0x20) &- 0x61 < 26 || octet == UInt8(ascii: "-")
      || octet == UInt8(ascii: "_")
  }

  /// The share to which a name's threads and connections are charged: its last two labels, because the real zone cuts
  /// are unknown.
  var share: DNSName {
    let labels = self.labels
    return labels.count <= 2 ? self : DNSName(labels: labels.suffix(2).map { Array($0) }) ?? self
  }
}
