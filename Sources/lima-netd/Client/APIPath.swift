// SPDX-License-Identifier: Apache-2.0
//
// APIPath: paths of the control API. A name given by the user becomes one path segment, with any characters.

enum APIPath {
  static let status = "/v1/status"
  /// Answered in the next iteration of the daemon's loop.
  static let alive = "/v1/alive"
  static let reload = "/v1/reload"
  static let upgrade = "/v1/upgrade"
  static let networks = "/v1/networks"
  static let plugins = "/v1/plugins"
  static let leases = "/v1/leases"
  static let instances = "/v1/instances"

  static func instance(_ name: String) -> String { instances + "/" + escaped(name) }

  static func network(_ name: String, _ rest: String...) -> String {
    ([networks, escaped(name)] + rest).joined(separator: "/")
  }

  /// Percent-encodes all but the unreserved characters (RFC 3986 §2.3).
  static func escaped(_ segment: String) -> String {
    segment.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        return String(UnicodeScalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        return "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }.joined()
  }
}
