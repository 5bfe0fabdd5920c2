// SPDX-License-Identifier: Apache-2.0
//
// What a client calls itself: option 12 (RFC 2132 §3.14), or else the fully qualified name of
// option 81 (RFC 4702 §2), in DNS format or in ASCII. Cold path.

extension DHCPServer {
  /// A name that is safe to show and to put into other formats; otherwise "".
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

  private static let isWireFormat: UInt8 = 0x04

  /// The name of option 81: flags and two codes that mean nothing any more, then the name, which
  /// may be a part of one.
  static func hostname(fullName options: DHCPOptions) -> String {
    guard let option = options[DHCPOptionCode.clientFQDN], option.count > 3 else { return "" }
    let name = option.dropFirst(3)
    guard option[0] & isWireFormat != 0 else {
      return hostname(Array(name.last == UInt8(ascii: ".") ? name.dropLast() : name))
    }
    var labels: [[UInt8]] = []
    var rest = name
    while let length = rest.popFirst(), length > 0 {
      guard length <= 63, rest.count >= Int(length) else { return "" }
      labels.append(Array(rest.prefix(Int(length))))
      rest = rest.dropFirst(Int(length))
    }
    return hostname(Array(labels.joined(separator: [UInt8(ascii: ".")])))
  }
}
