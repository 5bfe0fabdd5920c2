// SPDX-License-Identifier: Apache-2.0
//
// EthernetAddress: an Ethernet address as text, "52:55:55:12:34:56". Pure.

package enum EthernetAddress {
  /// In lower case.
  package static func text(_ bytes: some Collection<UInt8>) -> String {
    bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined(separator: ":")
  }

  /// Six bytes; nil when the text is not an Ethernet address.
  package static func bytes(_ text: String) -> [UInt8]? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let bytes = parts.compactMap { $0.utf8.count == 2 ? UInt8($0, radix: 16) : nil }
    return parts.count == 6 && bytes.count == 6 ? bytes : nil
  }
}
