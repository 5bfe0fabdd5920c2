// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// An answer that has passed the check, taken off its question: what goes to every client alike.
/// Each client's header, question and OPT are put around it.
struct DNSAnswer {
  /// Header flags, and the upper eight bits of RCODE.
  private(set) var flags: UInt16
  let extendedCode: UInt8
  private let counts: (answer: UInt16, authority: UInt16, additional: UInt16)
  /// The records, without OPT. Their compression pointers count from the message's beginning, so
  /// they hold only behind a question of the same length.
  private(set) var records: [UInt8]
  /// How long it may be kept; nil: not at all.
  let lifetime: DNSLifetime?
  /// EDNS options of the plugin's OPT.
  private var options: [UInt8]
  /// Length of the question section it belongs behind.
  private let questionLength: Int

  /// What speaks against an answer.
  enum Flaw: Error {
    /// No DNS message, or no answer.
    case malformed
    /// An answer to something else: another id, opcode or question.
    case mismatch
  }

  /// Checks what the plugin gave.
  /// - Parameters:
  ///   - askedID: the id of the message the plugin was given.
  init(
    checking bytes: [UInt8], askedID: UInt16, _ question: DNSQuestion
  ) throws(Flaw) {
    guard let survey = try? DNSSurvey(bytes), survey.header.isResponse else { throw .malformed }
    guard survey.answers(question, id: askedID, in: bytes) else { throw .mismatch }
    flags = survey.header.flags & ~Self.reserved
    questionLength = survey.questionEnd - DNSHeader.length
    let edns = survey.edns(of: bytes)
    extendedCode = edns?.extendedCode ?? 0
    // What follows OPT goes with it: pointers into it would move.
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
    // RFC 8767 4: too large a TTL is a large one, and clients from before it would read 0.
    survey.forEachRecord(in: bytes) { record in
      guard record.ttlOffset < end, bytes[record.ttlOffset] & 0x80 != 0 else { return }
      Self.put(record.ttl, at: record.ttlOffset - survey.questionEnd, of: &records)
    }
  }

  /// Z, which is 0 in every message (RFC 1035 4.1.1).
  private static let reserved: UInt16 = 0x0040
  private static let authoritative: UInt16 = 0x0400

  var answerCount: Int { Int(counts.answer) }
  var responseCode: DNSResponseCode { DNSHeader(flags: flags).responseCode }
  var isTruncated: Bool { DNSHeader(flags: flags).isTruncated }

  /// Whether its RCODE can be said to a client: one of more than four bits needs EDNS.
  func isSpeakable(to query: DNSClientQuery) -> Bool {
    extendedCode == 0 || query.edns != nil
  }

  /// The message for a client whose question is the one that was answered, letters aside.
  /// - Parameters:
  ///   - age: seconds to take off each TTL.
  func encoded(for query: DNSClientQuery, age: UInt32 = 0) -> [UInt8] {
    let header = query.header(of: self)
    var edns = query.edns.map {
      DNSEDNS(
        udpSize: DNSClientQuery.ownUDPSize, extendedCode: extendedCode, flags: $0.flags & 0x8000,
        options: options)
    }
    let head = DNSHeader.length + questionLength
    var length = head + records.count
    // A message may be so full that it has no room for it.
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

  /// The message for a client that was led here by CNAME records of the network's own.
  func encoded(
    for query: DNSClientQuery, behind chain: [DNSRecord], _ asked: DNSQuestion, age: UInt32 = 0
  ) -> [UInt8] {
    let direct = DNSClientQuery(asked, like: query)
    guard var message = try? DNSMessage(parsing: encoded(for: direct, age: age)) else {
      return query.answer(.serverFailure)
    }
    message.questions = [query.question]
    message.answers = chain + message.answers
    // The first records are ours, the rest is not: nobody has authority over it all.
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

  /// As it is kept: without options, which are about one question (RFC 8914), no longer
  /// authoritative (RFC 1034 4.3.1), and the SOA of a negative answer told with the time it gives
  /// (RFC 2308 5).
  var kept: DNSAnswer {
    var answer = self
    answer.options = []
    answer.flags &= ~Self.authoritative
    if let (offset, ttl) = lifetime?.negative { Self.put(ttl, at: offset, of: &answer.records) }
    return answer
  }
}
