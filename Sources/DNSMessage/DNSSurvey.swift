// SPDX-License-Identifier: Apache-2.0

/// The layout of a message, as a relay needs it: determined in one pass over all records, without decoding them and
/// without allocating.
///
/// Invariant: all counted records are inside the message, all owner names are well-formed, and there is at most one
/// OPT, owned by the root, in the additional section.
package struct DNSSurvey: Sendable {
  package let header: DNSHeader
  package let questionCount: Int
  package let answerCount: Int
  package let authorityCount: Int
  package let additionalCount: Int
  /// End of the question section.
  package private(set) var questionEnd: Int
  /// End of the first question's name, and whether it is compressed; both undefined without a question.
  package private(set) var firstNameEnd: Int
  package private(set) var firstNameIsCompressed: Bool
  /// The range of OPT; nil when there is none.
  package private(set) var optRange: Range<Int>?
  /// Records of the additional section before OPT.
  package private(set) var recordsBeforeOPT: Int
  /// End of the last record; later octets are ignored.
  package private(set) var end: Int

  package init(_ bytes: [UInt8]) throws(DNSParseError) {
    guard bytes.count <= 65535 else { throw .truncated }
    var reader = DNSReader(bytes)
    header = DNSHeader(id: try reader.u16(), flags: try reader.u16())
    questionCount = Int(try reader.u16())
    answerCount = Int(try reader.u16())
    authorityCount = Int(try reader.u16())
    additionalCount = Int(try reader.u16())
    firstNameEnd = DNSHeader.length
    firstNameIsCompressed = false
    recordsBeforeOPT = 0
    for index in 0..<questionCount {
      let extent = try reader.skipName()
      if index == 0 {
        firstNameEnd = extent.end
        firstNameIsCompressed = extent.isCompressed
      }
      try reader.skip(4)
    }
    questionEnd = reader.offset
    let fixed = answerCount + authorityCount
    for index in 0..<fixed + additionalCount {
      let start = reader.offset
      let extent = try reader.skipName()
      let type = try reader.u16()
      try reader.skip(6)
      try reader.skip(Int(try reader.u16()))
      if type == DNSType.opt.rawValue {
        guard index >= fixed, optRange == nil, extent.length == 1 else { throw .badOPT }
        optRange = start..<reader.offset
        recordsBeforeOPT = index - fixed
      }
    }
    end = reader.offset
  }

  /// QTYPE and QCLASS of the first question of the surveyed message; nil without a question.
  package func firstQuestion(of bytes: [UInt8]) -> (type: DNSType, dnsClass: DNSClass)? {
    guard questionCount > 0, firstNameEnd + 4 <= bytes.count else { return nil }
    var reader = DNSReader(bytes, at: firstNameEnd)
    guard let type = try? reader.u16(), let dnsClass = try? reader.u16() else { return nil }
    return (DNSType(rawValue: type), DNSClass(rawValue: dnsClass))
  }

  /// The first question's name, if it is not compressed; nil without a question.
  package func firstName(of bytes: [UInt8]) -> DNSName? {
    guard questionCount > 0, !firstNameIsCompressed, firstNameEnd <= bytes.count else {
      return nil
    }
    // Checked when the survey was made.
    return DNSName(checked: Array(bytes[DNSHeader.length..<firstNameEnd]))
  }

  /// OPT's options in wire form, for an OPT at `range`; empty when they are not well-formed.
  package func ednsOptions(of bytes: [UInt8], in range: Range<Int>) -> [UInt8] {
    guard range.upperBound <= bytes.count else { return [] }
    var reader = DNSReader(bytes, at: range.lowerBound)
    guard (try? reader.skipName()) != nil, (try? reader.skip(10)) != nil,
      reader.offset <= range.upperBound
    else { return [] }
    let options = Array(bytes[reader.offset..<range.upperBound])
    var option = DNSReader(options)
    while !option.isAtEnd {
      guard (try? option.skip(2)) != nil, let length = try? option.u16(),
        (try? option.skip(Int(length))) != nil
      else { return [] }
    }
    return options
  }

  /// OPT's fixed part; nil without OPT. The options are not decoded.
  package func edns(of bytes: [UInt8]) -> DNSEDNS? {
    guard let optRange, optRange.upperBound <= bytes.count else { return nil }
    var reader = DNSReader(bytes, at: optRange.lowerBound)
    guard (try? reader.skipName()) != nil, (try? reader.u16()) != nil,
      let size = try? reader.u16(), let ttl = try? reader.u32()
    else { return nil }
    return DNSEDNS(
      udpSize: size, extendedCode: UInt8(ttl >> 24), version: UInt8(truncatingIfNeeded: ttl >> 16),
      flags: UInt16(truncatingIfNeeded: ttl))
  }
}
