// SPDX-License-Identifier: Apache-2.0

/// Encodes a message sequentially, with name compression (RFC 1035 4.1.4) and a size limit.
///
/// A record that does not fit is left out as a whole, never in part. A missing answer or authority record sets TC; a
/// missing additional record does not (RFC 2181 9). Sections must be filled in order.
///
/// Compression preserves the case of names: only octet-for-octet equal suffixes are shared. The suffixes are stored
/// in a direct-mapped table of fixed size; a collision there costs compression, never correctness or time.
package struct DNSBuilder {
  package enum Section: Int, Sendable {
    case answer, authority, additional
  }

  private var bytes: [UInt8] = []
  private var counts: [UInt16] = [0, 0, 0, 0]
  private var header: DNSHeader
  private let edns: DNSEDNS?
  /// Maximum octets of header and records: the limit without the room reserved for OPT.
  private let limit: Int
  /// Offsets of name suffixes by hash; 0 is free.
  private var suffixes: [UInt16] = []
  private static let suffixSlots = 256

  /// - Parameters:
  ///   - limit: maximum octets of the whole message; clamped to 12...65535.
  ///   - edns: written at the end by `finish`; its room is reserved from the start.
  package init(_ header: DNSHeader, limit: Int = 65535, edns: DNSEDNS? = nil) {
    self.header = header
    self.edns = edns
    let limit = min(max(limit, DNSHeader.length), 65535)
    self.limit = max(limit - (edns?.encodedLength ?? 0), DNSHeader.length)
    bytes.reserveCapacity(min(self.limit, 512))
    bytes.append(contentsOf: repeatElement(0, count: DNSHeader.length))
  }

  package var isTruncated: Bool { header.isTruncated }

  /// Appends a question; false (and TC) when it does not fit.
  @discardableResult
  package mutating func add(_ question: DNSQuestion) -> Bool {
    let start = bytes.count
    append(question.name, compress: true)
    append(question.type.rawValue)
    append(question.dnsClass.rawValue)
    return settle(0, from: start, truncates: true)
  }

  /// Appends a record; false when it does not fit.
  @discardableResult
  package mutating func add(_ record: DNSRecord, to section: Section) -> Bool {
    let start = bytes.count
    append(record.name, compress: true)
    append(record.type.rawValue)
    append(record.dnsClass.rawValue)
    append(record.ttl)
    append(UInt16(0))
    let dataStart = bytes.count
    record.data.write(to: &self)
    let length = bytes.count - dataStart
    if length <= 65535 {
      bytes[dataStart - 2] = UInt8(length >> 8)
      bytes[dataStart - 1] = UInt8(length & 255)
    }
    return settle(section.rawValue + 1, from: start, truncates: section != .additional)
  }

  /// Counts the octets appended since `start`, or removes them when they do not fit.
  private mutating func settle(_ section: Int, from start: Int, truncates: Bool) -> Bool {
    guard bytes.count <= limit, counts[section] < UInt16.max else {
      bytes.removeLast(bytes.count - start)
      for slot in suffixes.indices where Int(suffixes[slot]) >= start { suffixes[slot] = 0 }
      if truncates { header.isTruncated = true }
      return false
    }
    counts[section] += 1
    return true
  }

  /// The message.
  package consuming func finish() -> [UInt8] {
    if let edns {
      edns.write(to: &bytes)
      counts[3] &+= 1
    }
    for (index, value) in ([header.id, header.flags] + counts).enumerated() {
      bytes[2 * index] = UInt8(value >> 8)
      bytes[2 * index + 1] = UInt8(value & 255)
    }
    return bytes
  }

  // MARK: Pieces

  mutating func append(_ value: UInt16) {
    bytes.append(UInt8(value >> 8))
    bytes.append(UInt8(value & 255))
  }

  mutating func append(_ value: UInt32) {
    append(UInt16(value >> 16))
    append(UInt16(truncatingIfNeeded: value))
  }

  mutating func append(_ octets: [UInt8]) {
    bytes += octets
  }

  /// A character-string: length octet and at most 255 octets.
  mutating func append(string: [UInt8]) {
    bytes.append(UInt8(min(string.count, 255)))
    bytes += string.prefix(255)
  }

  mutating func append(_ name: DNSName, compress: Bool) {
    let wire = name.wire
    guard compress, wire.count > 1 else {
      bytes += wire
      return
    }
    if suffixes.isEmpty {
      suffixes = Array(repeating: 0, count: Self.suffixSlots)
    }
    var offset = 0
    while wire[offset] != 0 {
      let slot = Self.slot(of: wire, from: offset)
      let known = Int(suffixes[slot])
      if known != 0, matches(wire, from: offset, at: known) {
        append(UInt16(0xC000 | known))
        return
      }
      if known == 0, bytes.count < 0x4000 {
        suffixes[slot] = UInt16(bytes.count)
      }
      let end = offset + 1 + Int(wire[offset])
      bytes += wire[offset..<end]
      offset = end
    }
    bytes.append(0)
  }

  /// FNV-1a over the suffix.
  private static func slot(of wire: [UInt8], from offset: Int) -> Int {
    var hash: UInt32 = 0x811C_9DC5
    for index in offset..<wire.count {
      hash = (hash ^ UInt32(wire[index])) &* 0x0100_0193
    }
    return Int((hash ^ hash >> 15) & UInt32(suffixSlots - 1))
  }

  /// Whether the name written at `position` equals the suffix of `wire` from `offset` on. It reads only what this
  /// builder has written: pointers go backwards and names end.
  private func matches(_ wire: [UInt8], from offset: Int, at position: Int) -> Bool {
    var offset = offset
    var position = position
    while true {
      guard position < bytes.count else { return false }
      let octet = Int(bytes[position])
      if octet & 0xC0 != 0 {
        position = (octet & 0x3F) << 8 | Int(bytes[position + 1])
        continue
      }
      guard octet == Int(wire[offset]) else { return false }
      if octet == 0 { return true }
      for index in 1...octet
      where position + index >= bytes.count || bytes[position + index] != wire[offset + index] {
        return false
      }
      offset += 1 + octet
      position += 1 + octet
    }
  }
}
