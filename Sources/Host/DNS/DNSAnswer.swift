// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// A checked answer without its question: the part that is the same for every client. Each client's header, question
/// and OPT are added to it.
struct DNSAnswer {
  /// Header flags, and the upper eight bits of RCODE.
  private(set) var flags: UInt16
  let extendedCode: UInt8
  private let counts: (answer: UInt16, authority: UInt16, additional: UInt16)
  /// The records, without OPT. Their compression pointers are offsets from the message's start, so they are valid
  /// only behind a question of the same length.
  private(set) var records: [UInt8]
  /// How long it may be cached; nil: not at all.
  let lifetime: DNSLifetime?
  /// EDNS options of the plugin's OPT.
  private var options: [UInt8]
  /// Length of the question section that the records' pointers assume.
  private let questionLength: Int

  /// Why an answer is rejected.
  enum Flaw: Error {
    /// Not a DNS message, or not a response.
    case malformed
    /// A response to another query: different id, opcode or question.
    case mismatch
  }

  /// Checks the plugin's answer.
  /// - Parameters:
  ///   - askedID: the id of the message that the plugin was given.
  init(
    checking bytes: [UInt8], askedID: UInt16, _ question: DNSQuestion
  ) throws(Flaw) {
    guard let survey = try? DNSSurvey(bytes), survey.header.isResponse else { throw .malformed }
    guard survey.answers(question, id: askedID, in: bytes) else { throw .mismatch }
    flags = survey.header.flags & ~Self.reserved
    questionLength = survey.questionEnd - DNSHeader.length
    let edns = survey.edns(of: bytes)
    extendedCode = edns?.extendedCode ?? 0
    // Octets after OPT are dropped, too: pointers into them would be wrong.
    let end = survey.optRange?.lowerBound ?? survey.end
    records = Array(bytes[survey.questionEnd..<end])
    lifetime = DNSLifetime(survey, bytes, question)
    options = DNSEDNS.endToEnd(
      survey.optRange.flatMap { survey.ednsOptions(of: bytes, in: $0) } ?? [])
    counts = (
      UInt16(truncatingIfNeeded: survey.answerCount),
      UInt16(truncatingIfNeeded: survey.authorityCount),
      UInt16(
        truncatingIfNeeded: survey.optRange == nil
          ? survey.additionalCount : survey.recordsBeforeOPT)
    )
    // A TTL with the top bit set counts as a large one (RFC 8767 4), but older clients read it as 0.
    survey.forEachRecord(in: bytes) { record in
      guard record.ttlOffset < end, bytes[record.ttlOffset] & 0x80 != 0 else { return }
      Self.put(record.ttl, at: record.ttlOffset - survey.questionEnd, of: &records)
    }
  }

  /// Z, which must be 0 (RFC 1035 4.1.1).
  private static let reserved: UInt16 = 0x0040
  private static let authoritative: UInt16 = 0x0400

  var answerCount: Int { Int(counts.answer) }
  var responseCode: DNSResponseCode { DNSHeader(flags: flags).responseCode }
  var isTruncated: Bool { DNSHeader(flags: flags).isTruncated }

  /// Whether the client can receive its RCODE: one of more than four bits needs EDNS.
  func isSpeakable(to query: DNSClientQuery) -> Bool {
    extendedCode == 0 || query.edns != nil
  }

  /// The message for a client whose question equals the one that was asked, apart from case.
  /// - Parameters:
  ///   - age: seconds subtracted from each TTL.
  func encoded(for query: DNSClientQuery, age: UInt32 = 0) -> [UInt8] {
    let header = query.header(of: self)
    var edns = query.edns.map {
      DNSEDNS(
        udpSize: DNSClientQuery.ownUDPSize, extendedCode: extendedCode, flags: $0.flags & 0x8000,
        options: options)
    }
    let head = DNSHeader.length + questionLength
    var length = head + records.count
    // The message may be too full for it.
    if let size = edns?.encodedLength, length + size > 65535, length <= 65535 { edns = nil }
    length += edns?.encodedLength ?? 0
    guard length <= query.answerLimit else { return query.truncated(header, edns) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(length)
    query.write(
      header, (counts.answer, counts.authority, counts.additional &+ (edns == nil ? 0 : 1)),
      to: &bytes)
    bytes.append(contentsOf: records)
    if age > 0, let ttls = lifetime?.ttls {
      for offset in ttls { Self.take(age, offTTLAt: head + Int(offset), of: &bytes) }
    }
    edns?.write(to: &bytes)
    return bytes
  }

  /// The message for a client whose name led here by CNAME records that the network owns.
  func encoded(
    for query: DNSClientQuery, behind chain: [DNSRecord], _ asked: DNSQuestion, age: UInt32 = 0
  ) -> [UInt8] {
    let direct = DNSClientQuery(asked, like: query)
    guard var message = try? DNSMessage(parsing: encoded(for: direct, age: age)) else {
      return query.answer(.serverFailure)
    }
    message.questions = [query.question]
    message.answers = chain + message.answers
    // The first records are the network's, the rest is not: no authority covers the whole answer.
    message.header.isAuthoritative = false
    message.header.authenticData = false
    return message.encoded(limit: query.answerLimit)
  }

  private static func take(_ age: UInt32, offTTLAt offset: Int, of bytes: inout [UInt8]) {
    var ttl: UInt32 = 0
    for index in offset..<offset + 4 { ttl = ttl << 8 | UInt32(bytes[index]) }
    put(ttl > age ? ttl - age : 0, at: offset, of: &bytes)
  }

  private static func put(_ ttl: UInt32, at offset: Int, of bytes: inout [UInt8]) {
    for index in 0..<4 {
      bytes[offset + index] = UInt8(truncatingIfNeeded: ttl >> (24 - 8 * UInt32(index)))
    }
  }

  /// The form in which it is cached: without options, which concern one query (RFC 8914), not authoritative (RFC 1034
  /// 4.3.1), and with the TTL of a negative answer's SOA set to its lifetime (RFC 2308 5).
  var kept: DNSAnswer {
    var answer = self
    answer.options = []
    answer.flags &= ~Self.authoritative
    if let (offset, ttl) = lifetime?.negative { Self.put(ttl, at: offset, of: &answer.records) }
    return answer
  }
}
