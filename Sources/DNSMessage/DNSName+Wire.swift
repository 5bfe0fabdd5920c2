// SPDX-License-Identifier: Apache-2.0
//
// Names inside messages: labels and compression pointers (RFC 1035 4.1.4).
//
// A pointer must point before the part of the name that it ends, so that decoding always moves backwards and
// terminates; chains are bounded, too, because in a message full of pointers each name would otherwise cost thousands
// of steps.

extension DNSName {
  /// Maximum pointers followed for one name. A valid name never needs more than 127.
  static let maximumPointers = 127

  /// The result of measuring a name.
  struct Extent {
    /// Octets of the decompressed name.
    var length: Int
    /// Offset behind the name in the message.
    var end: Int
    var isCompressed: Bool
  }

  /// Checks the name at `offset`. Never reads outside `bytes`, for any contents.
  static func measure(_ bytes: [UInt8], at offset: Int) throws(DNSParseError) -> Extent {
    var position = offset
    var pieceStart = offset
    var length = 0
    var pointers = 0
    var end: Int?
    while true {
      guard position >= 0, position < bytes.count else { throw .truncated }
      let octet = Int(bytes[position])
      switch octet & 0xC0 {
      case 0x00:
        length += 1 + octet
        guard length <= maximumLength else { throw .nameTooLong }
        position += 1 + octet
        if octet == 0 {
          return Extent(length: length, end: end ?? position, isCompressed: end != nil)
        }
      case 0xC0:
        guard position + 1 < bytes.count else { throw .truncated }
        let target = (octet & 0x3F) << 8 | Int(bytes[position + 1])
        if end == nil { end = position + 2 }
        pointers += 1
        guard target < pieceStart, pointers <= maximumPointers else { throw .badPointer }
        position = target
        pieceStart = target
      default:
        throw .badLabel
      }
    }
  }

  /// Reads the name at `offset` and advances `offset` behind it.
  package static func read(
    _ bytes: [UInt8], at offset: inout Int
  ) throws(DNSParseError) -> DNSName {
    let extent = try measure(bytes, at: offset)
    let start = offset
    offset = extent.end
    if !extent.isCompressed {
      return DNSName(checked: Array(bytes[start..<extent.end]))
    }
    var wire: [UInt8] = []
    wire.reserveCapacity(extent.length)
    var position = start
    while true {
      let octet = Int(bytes[position])
      if octet & 0xC0 != 0 {
        position = (octet & 0x3F) << 8 | Int(bytes[position + 1])
        continue
      }
      wire += bytes[position...position + octet]
      if octet == 0 { return DNSName(checked: wire) }
      position += 1 + octet
    }
  }
}
