// SPDX-License-Identifier: Apache-2.0
//
// This plugin's answers: a pure function from a DNS message to a DNS message (RFC 1035 section 4).

/// A name and its address.
public struct Record: Sendable {
  private static let typeAClassIN: [UInt8] = [0, 1, 0, 1]
  private static let refused: UInt8 = 5
  private static let seconds: [UInt8] = [0, 0, 0, 60]
  /// In wire format: labels with length prefixes, lower case.
  private let name: [UInt8]
  private let address: [UInt8]

  /// Nil if it is no domain name.
  public init?(name: String, address: [UInt8]) {
    var wire: [UInt8] = []
    let text = name.hasSuffix(".") ? name.dropLast() : name[...]
    for label in text.split(separator: ".", omittingEmptySubsequences: false) {
      let bytes = Array(label.utf8)
      guard (1...63).contains(bytes.count) else { return nil }
      wire += [UInt8(bytes.count)] + bytes.map(Self.lower)
    }
    guard wire.count < 255 else { return nil }
    self.name = wire + [0]
    self.address = address
  }

  /// Converts "192.0.2.7" to four bytes; nil if it is no address.
  public static func address(_ text: String) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let bytes = parts.compactMap { UInt8($0) }
    return parts.count == 4 && bytes.count == 4 ? bytes : nil
  }

  /// The address; NODATA for other types of the name; REFUSED for other names; nil if the message is malformed.
  public func answer(_ query: [UInt8]) -> [UInt8]? {
    guard query.count > 12, let length = Self.nameLength(query[12...]),
      query.count >= 12 + length + 4
    else { return nil }
    let end = 12 + length + 4
    let asked = query[12..<12 + length].map(Self.lower)
    let isKnown = asked == name
    // An authoritative answer; RD as in the query; no other records.
    var answer = Array(query[..<end])
    answer[2] = (isKnown ? 0x84 : 0x80) | query[2] & 1
    answer.replaceSubrange(6..<12, with: [0, 0, 0, 0, 0, 0])
    answer[3] = isKnown ? 0 : Self.refused
    if isKnown, Array(query[end - 4..<end]) == Self.typeAClassIN {
      answer[7] = 1
      // The name is a pointer to the question's.
      answer += [0xc0, 12] + Self.typeAClassIN + Self.seconds + [0, 4] + address
    }
    return answer
  }

  /// Length in bytes of the name at the start; nil if it is compressed, too long or truncated.
  private static func nameLength(_ bytes: ArraySlice<UInt8>) -> Int? {
    var at = bytes.startIndex
    while at < bytes.endIndex, at - bytes.startIndex < 255 {
      if bytes[at] == 0 { return at - bytes.startIndex + 1 }
      if bytes[at] > 63 { return nil }
      at += 1 + Int(bytes[at])
    }
    return nil
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte
  }
}
