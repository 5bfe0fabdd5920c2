// SPDX-License-Identifier: Apache-2.0
//
// A client's name: option 12 (RFC 2132 §3.14), or else the name of option 81 (DHCPClientName). Cold path.

extension DHCPServer {
  /// A name that is safe in messages and other formats; otherwise "".
  package static func hostname(_ text: String) -> String { hostname(Array(text.utf8)) }

  static func hostname(_ bytes: [UInt8]) -> String {
    let name = bytes.last == 0 ? bytes.dropLast() : bytes[...]
    let isSafe = name.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"):
        true
      default: false
      }
    }
    return isSafe && name.count <= 253 ? String(decoding: name, as: UTF8.self) : ""
  }

  /// Whether the first label of a safe name is a valid DNS label after removing characters other than letters and
  /// digits at its ends.
  static func hasLabel(_ name: String) -> Bool {
    func isOuter(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") }
    let label = name.utf8.prefix { $0 != UInt8(ascii: ".") }
    let inner = label.drop(while: isOuter)
    let trailing = inner.reversed().prefix(while: isOuter).count
    return (1...63).contains(inner.count - trailing)
  }
}
