// SPDX-License-Identifier: Apache-2.0
import DNSMessage

extension DNSName {
  /// The name as getaddrinfo takes it, without the final dot; nil when it is no
  /// host name (RFC 952, with the underscore glibc allows) or when getaddrinfo
  /// would read it as an address ("1.2.3.4", "0x7f.1", "127").
  package var nativeName: String? {
    guard !isRoot else { return nil }
    let labels = self.labels
    for label in labels {
      guard label.first != UInt8(ascii: "-"), label.allSatisfy(Self.isHostCharacter) else {
        return nil
      }
    }
    // inet_aton takes up to four numbers, so a last label that begins with a
    // digit may make the whole an address. No top-level domain does.
    if let first = labels.last?.first, first &- 0x30 < 10 { return nil }
    return displayed
  }

  private static func isHostCharacter(_ octet: UInt8) -> Bool {
    octet &- 0x30 < 10 || (octet | 0x20) &- 0x61 < 26 || octet == UInt8(ascii: "-")
      || octet == UInt8(ascii: "_")
  }
}
