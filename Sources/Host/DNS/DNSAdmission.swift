// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The first check of a client's message.
enum DNSAdmission {
  /// `end`: of the last record; octets after it are ignored.
  case admitted(DNSClientQuery, end: Int)
  /// Answered with an error at once.
  case rejected([UInt8])
  /// No answer: not a DNS query.
  case ignored

  /// Checks a client's message. Never traps, for any octets.
  init(_ bytes: [UInt8], over transport: DNSTransport) {
    // Shorter than a header: there is no id to answer to. A response is never answered: two servers could otherwise
    // answer each other without end.
    guard bytes.count >= DNSHeader.length, bytes[2] & 0x80 == 0 else {
      self = .ignored
      return
    }
    let header = DNSHeader(
      id: UInt16(bytes[0]) << 8 | UInt16(bytes[1]),
      flags: UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
    func reject(_ code: DNSResponseCode) -> DNSAdmission {
      .rejected(DNSMessage(header: header.reply(code)).encoded())
    }
    // RFC 1035 4.1.1: other opcodes use the sections differently, so their messages are only searched for an OPT.
    guard header.opcode == .query else {
      self = .rejected(Self.notImplemented(header, bytes))
      return
    }
    // RFC 9619: a query has exactly one question.
    guard let survey = try? DNSSurvey(bytes), survey.questionCount == 1,
      !survey.firstNameIsCompressed, let asked = survey.firstQuestion(of: bytes),
      let name = survey.firstName(of: bytes)
    else {
      self = reject(.formatError)
      return
    }
    let query = DNSClientQuery(
      header: header,
      question: DNSQuestion(name: name, type: asked.type, dnsClass: asked.dnsClass),
      edns: survey.edns(of: bytes), transport: transport)
    if let edns = query.edns, edns.version != 0 {
      self = .rejected(query.answer(.badVersion))  // RFC 6891 6.1.3
    } else if asked.type == .opt {
      self = .rejected(query.answer(.formatError))  // RFC 6891 6.1.1: OPT is no type to ask for
    } else if asked.type == .axfr || asked.type == .ixfr {
      self = .rejected(query.answer(.refused))  // RFC 5936 2.2.1: there is no zone here
    } else {
      self = .admitted(query, end: survey.end)
    }
  }

  /// A query with OPT gets a response with OPT, whatever the opcode (RFC 6891 6.1.1). A message whose sections cannot
  /// be parsed has none.
  private static func notImplemented(_ header: DNSHeader, _ bytes: [UInt8]) -> [UInt8] {
    let asked = (try? DNSSurvey(bytes))?.edns(of: bytes)
    let edns = asked.map {
      DNSEDNS(udpSize: DNSClientQuery.ownUDPSize, flags: $0.flags & 0x8000)
    }
    return DNSMessage(header: header.reply(.notImplemented), edns: edns).encoded()
  }
}
