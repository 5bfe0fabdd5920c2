// SPDX-License-Identifier: Apache-2.0
//
// Options of DHCPv6 (RFC 8415 §21): a code and a length of 16 bits each. Some may occur repeatedly, and some contain
// options. Cold path: a few messages per guest, so plain arrays.

import Wire

/// Option codes used by the server.
package enum DHCPv6OptionCode {
  package static let clientIdentifier: UInt16 = 1
  package static let serverIdentifier: UInt16 = 2
  package static let addresses: UInt16 = 3  // IA_NA
  package static let temporaryAddresses: UInt16 = 4  // IA_TA
  package static let address: UInt16 = 5  // IAADDR
  package static let optionRequest: UInt16 = 6
  package static let statusCode: UInt16 = 13
  package static let rapidCommit: UInt16 = 14
  /// RFC 3646.
  package static let nameServers: UInt16 = 23
  package static let domainList: UInt16 = 24
  package static let prefixes: UInt16 = 25  // IA_PD
  /// RFC 4704.
  package static let clientFQDN: UInt16 = 39
}

/// Values of the status option (§21.13).
package enum DHCPv6Status: UInt16, Sendable {
  case success = 0
  case unspecified, noAddresses, noBinding, notOnLink, useMulticast, noPrefixes
}

/// Options in order.
package struct DHCPv6Options: Hashable, Sendable {
  package struct Option: Hashable, Sendable {
    package var code: UInt16
    package var value: [UInt8]
  }

  package private(set) var all: [Option] = []
  /// Maximum options of one message; one with more is refused.
  private static let limit = 64

  package init() {}

  /// Nil when an option is truncated.
  package init?(checking bytes: ByteView) {
    var offset = 0
    while offset < bytes.count {
      guard all.count < Self.limit, bytes.count - offset >= 4,
        let value = bytes.checkedSlice(
          at: offset + 4, count: Int(bytes.uint16(at: offset + 2)))
      else { return nil }
      all.append(Option(code: bytes.uint16(at: offset), value: value.bytes))
      offset += 4 + value.count
    }
  }

  /// The first option with this code.
  package subscript(code: UInt16) -> [UInt8]? { all.first { $0.code == code }?.value }

  package func values(_ code: UInt16) -> [[UInt8]] {
    all.lazy.filter { $0.code == code }.map(\.value)
  }

  package mutating func add(_ code: UInt16, _ value: [UInt8]) {
    all.append(Option(code: code, value: value))
  }

  /// Adds nothing for an empty list.
  package mutating func add(_ code: UInt16, addresses: [IPAddress]) {
    if !addresses.isEmpty { add(code, addresses.flatMap(DHCPv6Bytes.of)) }
  }

  package mutating func add(_ status: DHCPv6Status, _ text: String) {
    add(DHCPv6OptionCode.statusCode, DHCPv6Bytes.of(status.rawValue) + Array(text.utf8))
  }

  /// Whether the client's option request option lists it (§21.7).
  package func asksFor(_ code: UInt16) -> Bool {
    guard let list = self[DHCPv6OptionCode.optionRequest] else { return false }
    return stride(from: 0, to: list.count - 1, by: 2).contains {
      UInt16(list[$0]) << 8 | UInt16(list[$0 + 1]) == code
    }
  }

  package var bytes: [UInt8] {
    all.flatMap {
      DHCPv6Bytes.of($0.code) + DHCPv6Bytes.of(UInt16(truncatingIfNeeded: $0.value.count))
        + $0.value
    }
  }
}

/// Numbers and addresses as bytes.
enum DHCPv6Bytes {
  static func of(_ value: UInt16) -> [UInt8] {
    [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)]
  }

  static func of(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  static func of(_ address: IPAddress) -> [UInt8] {
    [UInt8](capacity: 16) { out in
      out.storeV6(address, at: 0)
      return 16
    }
  }
}
