// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// Takes a hosts(5) apart, line by line and without making text of it: such files have hundreds of
/// thousands of lines where they block advertisements.
struct HostsLines {
  private let text: [UInt8]
  private var position = 0
  /// Where the line ends, its comment left out.
  private var end = 0

  init(_ text: [UInt8]) {
    self.text = text
  }

  /// A name in wire form, as written and in lower case.
  struct Name {
    var wire: [UInt8]
    var folded: [UInt8]
  }

  /// The address of the next line that has one and something behind it; nil at the end.
  mutating func nextLine() -> DNSAddress? {
    while position < text.count {
      // To the end of the line before.
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

  /// The next name of the line; nil at its end. What can be no name is skipped.
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

  /// As inet_pton(3) has it: an address with a zone is none.
  private static func address(_ word: ArraySlice<UInt8>) -> DNSAddress? {
    guard word.count <= 45 else { return nil }
    if word.contains(UInt8(ascii: ":")) {
      let address = DNSAddress(String(decoding: word, as: UTF8.self))
      // IPv4 in disguise (RFC 4291 2.5.5.2).
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

  /// Whatever can be a DNS name: digits first (RFC 1123 2.1), underscores, octets above 127.
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
