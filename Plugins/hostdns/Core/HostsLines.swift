// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// Parses a hosts(5), line by line and without creating strings: files that block advertisements have hundreds of
/// thousands of lines.
struct HostsLines {
  private let text: [UInt8]
  private var position = 0
  /// End of the line without its comment.
  private var end = 0

  init(_ text: [UInt8]) {
    self.text = text
  }

  /// A name in wire form, in its original case and in lower case.
  struct Name {
    var wire: [UInt8]
    var folded: [UInt8]
  }

  /// Advances to the next line with an address and at least one more word, and returns the address; nil at the end.
  mutating func nextLine() -> DNSAddress? {
    while position < text.count {
      // The end of the previous line.
      var begin = position
      var stop = begin
      while stop < text.count, text[stop] != UInt8(ascii: "\n") { stop += 1 }
      position = stop + 1
      end = begin
      while end < stop, text[end] != UInt8(ascii: "#") { end += 1 }
      guard let word = Self.word(text, &begin, end), let address = Self.address(word) else {
        continue
      }
      rest = begin
      if let _ = peekWord() { return address }
    }
    return nil
  }

  private var rest = 0

  private func peekWord() -> ArraySlice<UInt8>? {
    var begin = rest
    return Self.word(text, &begin, end)
  }

  /// The next name of the line; nil at its end. Invalid names are skipped.
  mutating func nextName() -> Name? {
    while let word = Self.word(text, &rest, end) {
      if let name = Self.name(word) { return name }
    }
    return nil
  }

  private static func isBlank(_ octet: UInt8) -> Bool {
    octet == UInt8(ascii: " ") || octet == UInt8(ascii: "\t") || octet == 0x0D
  }

  private static func word(
    _ text: [UInt8], _ begin: inout Int, _ end: Int
  ) -> ArraySlice<UInt8>? {
    while begin < end, isBlank(text[begin]) { begin += 1 }
    let start = begin
    while begin < end, !isBlank(text[begin]) { begin += 1 }
    return begin > start ? text[start..<begin] : nil
  }

  /// As inet_pton(3): an address with a zone is invalid.
  private static func address(_ word: ArraySlice<UInt8>) -> DNSAddress? {
    guard word.count <= 45 else { return nil }
    if word.contains(UInt8(ascii: ":")) {
      let address = DNSAddress(String(decoding: word, as: UTF8.self))
      // An IPv4-mapped address (RFC 4291 2.5.5.2).
      if case .v6(0, let low)? = address, low >> 32 == 0xFFFF {
        return .v4(UInt32(truncatingIfNeeded: low))
      }
      return address
    }
    var value: UInt32 = 0
    var part: UInt32 = 0
    var digits = 0
    var dots = 0
    for octet in word {
      if octet == UInt8(ascii: ".") {
        guard digits > 0, dots < 3 else { return nil }
        value = value << 8 | part
        part = 0
        digits = 0
        dots += 1
      } else {
        guard octet &- 0x30 < 10, digits == 0 || part > 0 else { return nil }
        part = part * 10 + UInt32(octet &- 0x30)
        digits += 1
        guard part <= 255 else { return nil }
      }
    }
    return dots == 3 && digits > 0 ? .v4(value << 8 | part) : nil
  }

  /// Any valid DNS name: leading digits (RFC 1123 2.1), underscores and octets above 127 are accepted.
  private static func name(_ word: ArraySlice<UInt8>) -> Name? {
    guard word.count <= DNSName.maximumLength else { return nil }
    var wire: [UInt8] = [0]
    wire.reserveCapacity(word.count + 2)
    var start = 0
    for octet in word.last == UInt8(ascii: ".") ? word.dropLast() : word {
      if octet == UInt8(ascii: ".") {
        guard wire.count - start > 1 else { return nil }
        start = wire.count
        wire.append(0)
      } else {
        guard octet != UInt8(ascii: "\\"), wire[start] < DNSName.maximumLabel else { return nil }
        wire.append(octet)
        wire[start] += 1
      }
    }
    guard wire.count - start > 1, wire.count < DNSName.maximumLength else { return nil }
    wire.append(0)
    return Name(wire: wire, folded: wire.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 })
  }
}
