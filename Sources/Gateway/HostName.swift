// SPDX-License-Identifier: Apache-2.0
//
// Names of guests and links as DNS labels (RFC 952, RFC 1123 §2.1).

package enum HostName {
  /// The DNS label for a guest's host name: its first label in lower case, underscores replaced by hyphens, without hyphens
  /// at its ends. Nil if that is not a valid host name.
  package static func label(_ name: String) -> String? {
    label(name.utf8.prefix { $0 != UInt8(ascii: ".") })
  }

  /// The label that Lima uses for the instance of that name: "lima-" and the name, with hyphens for dots.
  package static func limaLabel(_ instance: String) -> String? {
    guard let label = label(instance.utf8[...]) else { return nil }
    return label.hasPrefix("lima-") ? label : self.label("lima-\(label)")
  }

  private static func label(_ name: String.UTF8View.SubSequence) -> String? {
    let hyphen = UInt8(ascii: "-")
    var bytes: [UInt8] = []
    for byte in name {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), hyphen:
        bytes.append(byte)
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): bytes.append(byte | 0x20)
      case UInt8(ascii: "_"), UInt8(ascii: "."): bytes.append(hyphen)
      default: return nil
      }
    }
    var trimmed = bytes[...]
    while trimmed.first == hyphen { trimmed.removeFirst() }
    while trimmed.last == hyphen { trimmed.removeLast() }
    guard (1...63).contains(trimmed.count) else { return nil }
    return String(decoding: trimmed, as: UTF8.self)
  }
}
