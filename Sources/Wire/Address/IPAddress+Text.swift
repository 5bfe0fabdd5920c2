// SPDX-License-Identifier: Apache-2.0
//
// Addresses as text. IPv4: strict dotted quads, four decimal numbers without leading zeros, which some parsers read
// as octal. IPv6: parsed by RFC 4291 §2.2, written by RFC 5952. No zone identifiers.

extension IPAddress {
  /// Reads `192.168.5.2`, `fd00::2` or `::ffff:192.168.5.2` (which is IPv4).
  public init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8.prefix(IPAddress.longestText + 1))
    guard bytes.count <= IPAddress.longestText else { return nil }
    if bytes.contains(UInt8(ascii: ":")) {
      guard let address = IPAddress.readV6(bytes) else { return nil }
      self = address
    } else {
      guard let v4 = IPAddress.readV4(bytes[...]) else { return nil }
      self.init(v4: v4)
    }
  }

  /// `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`
  private static let longestText = 45

  private static func readV4(_ bytes: ArraySlice<UInt8>) -> UInt32? {
    var address: UInt32 = 0
    var parts = 0
    var digits = 0
    var part: UInt32 = 0
    for byte in bytes {
      if byte == UInt8(ascii: ".") {
        guard digits > 0, parts < 3 else { return nil }
        address = address << 8 | part
        parts += 1
        digits = 0
        part = 0
      } else {
        guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
        guard digits == 0 || part != 0 else { return nil }  // a leading zero
        part = part * 10 + UInt32(byte - UInt8(ascii: "0"))
        digits += 1
        guard part <= 255 else { return nil }
      }
    }
    guard parts == 3, digits > 0 else { return nil }
    return address << 8 | part
  }

  private static func readV6(_ bytes: [UInt8]) -> IPAddress? {
    var groups: [UInt16] = []
    var gap: Int?
    var at = 0
    let colon = UInt8(ascii: ":")

    if bytes.starts(with: [colon, colon]) {
      gap = 0
      at = 2
    }
    while at < bytes.count {
      guard groups.count < 8 else { return nil }
      let end = bytes[at...].firstIndex(of: colon) ?? bytes.count
      if end == bytes.count, bytes[at...].contains(UInt8(ascii: ".")) {
        guard groups.count <= 6, let v4 = readV4(bytes[at...]) else { return nil }
        groups += [UInt16(v4 >> 16), UInt16(truncatingIfNeeded: v4)]
        at = end
        break
      }
      guard let group = readHex(bytes[at..<end]) else { return nil }
      groups.append(group)
      at = end
      guard at < bytes.count else { break }
      at += 1  // the colon
      if at < bytes.count, bytes[at] == colon {
        guard gap == nil else { return nil }
        gap = groups.count
        at += 1
      } else if at == bytes.count {
        return nil  // one colon at the end
      }
    }
    if let gap {
      guard groups.count < 8 else { return nil }  // `::` stands for one group at least
      groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
    }
    guard groups.count == 8 else { return nil }
    return IPAddress(
      high: groups[..<4].reduce(0) { $0 << 16 | UInt64($1) },
      low: groups[4...].reduce(0) { $0 << 16 | UInt64($1) })
  }

  private static func readHex(_ bytes: ArraySlice<UInt8>) -> UInt16? {
    guard (1...4).contains(bytes.count) else { return nil }
    var value: UInt16 = 0
    for byte in bytes {
      guard let digit = hexDigit(byte) else { return nil }
      value = value << 4 | UInt16(digit)
    }
    return value
  }
}

extension IPAddress: CustomStringConvertible {
  public var description: String {
    if isV4 { return "\(v4 >> 24).\(v4 >> 16 & 0xff).\(v4 >> 8 & 0xff).\(v4 & 0xff)" }
    let groups = (0..<8).map { index in
      UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64((3 - index % 4) * 16))
    }
    // RFC 5952 §4.2: the longest run of two or more zero groups, the first of equals.
    var best = 0..<0
    var run = 0
    for index in 0..<8 {
      run = groups[index] == 0 ? run + 1 : 0
      if run >= 2, run > best.count { best = (index + 1 - run)..<(index + 1) }
    }
    func text(_ range: Range<Int>) -> String {
      groups[range].map { String($0, radix: 16) }.joined(separator: ":")
    }
    return best.isEmpty
      ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
  }
}

/// The value of an ASCII hexadecimal digit.
func hexDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}
