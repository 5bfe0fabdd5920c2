// SPDX-License-Identifier: Apache-2.0

/// A read position in a message. Every read is checked; nothing traps for any bytes.
struct DNSReader {
  let bytes: [UInt8]
  private(set) var offset: Int
  /// Reads stop here: the end of the message, or of an RDATA.
  private(set) var end: Int

  init(_ bytes: [UInt8], at offset: Int = 0) {
    self.bytes = bytes
    self.offset = min(offset, bytes.count)
    self.end = bytes.count
  }

  var isAtEnd: Bool { offset == end }

  private func need(_ count: Int) throws(DNSParseError) {
    guard end - offset >= count else { throw .truncated }
  }

  mutating func octet() throws(DNSParseError) -> UInt8 {
    try need(1)
    offset += 1
    return bytes[offset - 1]
  }

  mutating func u16() throws(DNSParseError) -> UInt16 {
    try need(2)
    offset += 2
    return UInt16(bytes[offset - 2]) << 8 | UInt16(bytes[offset - 1])
  }

  mutating func u32() throws(DNSParseError) -> UInt32 {
    UInt32(try u16()) << 16 | UInt32(try u16())
  }

  mutating func octets(_ count: Int) throws(DNSParseError) -> ArraySlice<UInt8> {
    try need(count)
    offset += count
    return bytes[offset - count..<offset]
  }

  /// The octets up to `end`.
  mutating func rest() -> ArraySlice<UInt8> {
    defer { offset = end }
    return bytes[offset..<end]
  }

  /// A length octet and that many octets (RFC 1035 3.3 character-string).
  mutating func string() throws(DNSParseError) -> ArraySlice<UInt8> {
    try octets(Int(try octet()))
  }

  mutating func skip(_ count: Int) throws(DNSParseError) {
    try need(count)
    offset += count
  }

  mutating func name() throws(DNSParseError) -> DNSName {
    var position = offset
    let name = try DNSName.read(bytes, at: &position)
    guard position <= end else { throw .truncated }
    offset = position
    return name
  }

  /// Checks and skips a name.
  mutating func skipName() throws(DNSParseError) -> DNSName.Extent {
    let extent = try DNSName.measure(bytes, at: offset)
    guard extent.end <= end else { throw .truncated }
    offset = extent.end
    return extent
  }

  /// A reader for the next `count` octets that keeps access to the whole message, because names in RDATA may point to
  /// anywhere before them.
  mutating func window(_ count: Int) throws(DNSParseError) -> DNSReader {
    try need(count)
    var inner = self
    inner.end = offset + count
    offset += count
    return inner
  }
}
