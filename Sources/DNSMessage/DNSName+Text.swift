// SPDX-License-Identifier: Apache-2.0
//
// Presentation form of names (RFC 1035 5.1): `\.` and `\DDD` escapes.

extension DNSName: CustomStringConvertible {
  /// Parses presentation form; the final dot is optional. nil when a label is empty or longer than 63 octets, the
  /// name longer than 255, or an escape is invalid. Octets above 127 are unchanged (UTF-8, as in mDNS).
  package init?(_ text: some StringProtocol) {
    if text == "." {
      self = .root
      return
    }
    var labels: [[UInt8]] = []
    var label: [UInt8] = []
    var escaped: [UInt8]?  // what followed a backslash so far
    var total = 1
    for octet in text.utf8 {
      total += 1
      // At most four characters per octet: ends early on excessive input.
      guard total <= Self.maximumLength * 4 + 4 else { return nil }
      if let digits = escaped {
        guard octet &- 0x30 < 10 else {
          guard digits.isEmpty else { return nil }
          label.append(octet)
          escaped = nil
          continue
        }
        if digits.count < 2 {
          escaped = digits + [octet]
          continue
        }
        let value = (digits + [octet]).reduce(0) { $0 * 10 + Int($1 &- 0x30) }
        guard value <= 255 else { return nil }
        label.append(UInt8(value))
        escaped = nil
      } else if octet == UInt8(ascii: "\\") {
        escaped = []
      } else if octet == UInt8(ascii: ".") {
        labels.append(label)
        label = []
      } else {
        label.append(octet)
      }
    }
    guard escaped == nil else { return nil }
    if !label.isEmpty { labels.append(label) }
    guard !labels.isEmpty else { return nil }
    self.init(labels: labels)
  }

  /// Absolute, with the final dot; special characters are escaped.
  package var description: String {
    if isRoot { return "." }
    var text: [UInt8] = []
    text.reserveCapacity(wire.count)
    for label in labels {
      for octet in label {
        appendEscaped(octet, to: &text, special: Self.special)
      }
      text.append(UInt8(ascii: "."))
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Without the final dot: as users write names.
  package var displayed: String {
    isRoot ? "." : String(description.dropLast())
  }

  /// Characters with a meaning in master files.
  private static let special: [UInt8] = Array("\".;\\()@$".utf8)
}

/// Appends an octet as text: `\c` when special, `\DDD` when not printable.
func appendEscaped(_ octet: UInt8, to text: inout [UInt8], special: [UInt8]) {
  switch octet {
  case 0x21...0x7E:
    if special.contains(octet) { text.append(UInt8(ascii: "\\")) }
    text.append(octet)
  default:
    text.append(UInt8(ascii: "\\"))
    text.append(0x30 + octet / 100)
    text.append(0x30 + octet / 10 % 10)
    text.append(0x30 + octet % 10)
  }
}
