// SPDX-License-Identifier: Apache-2.0
//
// YAMLText: writes a value in YAML: plain if it is read back as the same text or number, otherwise in double quotes (YAML
// 1.2 §7.3). Pure.

package enum YAMLText {
  /// Whether `value` may stand without quotes.
  package static func isPlain(_ value: String) -> Bool {
    guard let first = value.utf8.first, isWord(first), first != UInt8(ascii: "-") else {
      return false
    }
    return value.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "/") }
  }

  package static func scalar(_ value: String) -> String {
    if isPlain(value) { return value }
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"", "\\": text += "\\\(scalar)"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case let other where other.value < 32 || other.value == 127:
        let digits = String(other.value, radix: 16)
        text += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
      || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
  }
}
