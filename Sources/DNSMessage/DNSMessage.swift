// SPDX-License-Identifier: Apache-2.0

/// A parsed message (RFC 1035 4, RFC 6891).
///
/// For creating and displaying messages. To check or relay a message without parsing all of it, `DNSSurvey` is
/// cheaper.
package struct DNSMessage: Hashable, Sendable {
  package var header: DNSHeader
  package var questions: [DNSQuestion]
  package var answers: [DNSRecord]
  package var authorities: [DNSRecord]
  /// Without OPT, which is `edns`.
  package var additionals: [DNSRecord]
  package var edns: DNSEDNS?

  package init(
    header: DNSHeader, questions: [DNSQuestion] = [], answers: [DNSRecord] = [],
    authorities: [DNSRecord] = [], additionals: [DNSRecord] = [], edns: DNSEDNS? = nil
  ) {
    self.header = header
    self.questions = questions
    self.answers = answers
    self.authorities = authorities
    self.additionals = additionals
    self.edns = edns
  }

  /// A query for one name, recursion desired.
  package init(query question: DNSQuestion, id: UInt16, edns: DNSEDNS? = nil) {
    var header = DNSHeader(id: id)
    header.recursionDesired = true
    self.init(header: header, questions: [question], edns: edns)
  }

  /// The whole 12 bits, EDNS's upper part included.
  package var responseCode: DNSResponseCode {
    DNSResponseCode(
      rawValue: UInt16(edns?.extendedCode ?? 0) << 4 | header.responseCode.rawValue)
  }

  /// Parses a message. Octets after the last record are ignored.
  ///
  /// Bounded by the length of `bytes`, of which the first 65535 count: at most 127 steps per pointer chain and 255
  /// octets per name.
  package init(parsing bytes: [UInt8]) throws(DNSParseError) {
    guard bytes.count <= 65535 else { throw .truncated }
    var reader = DNSReader(bytes)
    header = DNSHeader(id: try reader.u16(), flags: try reader.u16())
    let counts = (try reader.u16(), try reader.u16(), try reader.u16(), try reader.u16())
    questions = []
    for _ in 0..<counts.0 {
      questions.append(
        DNSQuestion(
          name: try reader.name(), type: DNSType(rawValue: try reader.u16()),
          dnsClass: DNSClass(rawValue: try reader.u16())))
    }
    edns = nil
    answers = try Self.records(counts.1, &reader)
    authorities = try Self.records(counts.2, &reader)
    additionals = []
    for _ in 0..<counts.3 {
      switch try Self.record(&reader) {
      case .record(let record):
        additionals.append(record)
      case .edns(let value):
        guard edns == nil else { throw .badOPT }
        edns = value
      }
    }
  }

  private enum Parsed {
    case record(DNSRecord)
    case edns(DNSEDNS)
  }

  /// Records of a section that must not have an OPT.
  private static func records(
    _ count: UInt16, _ reader: inout DNSReader
  ) throws(DNSParseError) -> [DNSRecord] {
    var records: [DNSRecord] = []
    for _ in 0..<count {
      guard case .record(let record) = try record(&reader) else { throw .badOPT }
      records.append(record)
    }
    return records
  }

  private static func record(_ reader: inout DNSReader) throws(DNSParseError) -> Parsed {
    let name = try reader.name()
    let type = DNSType(rawValue: try reader.u16())
    let dnsClass = try reader.u16()
    let ttl = try reader.u32()
    var data = try reader.window(Int(try reader.u16()))
    if type == .opt {
      guard name.isRoot else { throw .badOPT }
      let options = Array(data.rest())
      var option = DNSReader(options)
      while !option.isAtEnd {
        try option.skip(2)
        try option.skip(Int(try option.u16()))
      }
      return .edns(
        DNSEDNS(
          udpSize: dnsClass, extendedCode: UInt8(ttl >> 24),
          version: UInt8(truncatingIfNeeded: ttl >> 16),
          flags: UInt16(truncatingIfNeeded: ttl), options: options))
    }
    return .record(
      DNSRecord(
        name: name, dnsClass: DNSClass(rawValue: dnsClass), ttl: DNSRecord.readTTL(ttl),
        data: try DNSRecordData(type: type, &data)))
  }

  /// The message on the wire: at most `limit` octets, cut at a record boundary; TC is set when an answer or authority
  /// record did not fit.
  package func encoded(limit: Int = 65535) -> [UInt8] {
    var builder = DNSBuilder(header, limit: limit, edns: edns)
    for question in questions { builder.add(question) }
    let sections: [(DNSBuilder.Section, [DNSRecord])] = [
      (.answer, answers), (.authority, authorities), (.additional, additionals),
    ]
    for (section, records) in sections {
      for record in records {
        // Encoding stops at the first record that does not fit: a client must not take the following ones for the
        // complete set.
        guard builder.add(record, to: section) else { return builder.finish() }
      }
    }
    return builder.finish()
  }
}
