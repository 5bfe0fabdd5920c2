// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// How a client asked; raw values are LND_DNS_UDP and LND_DNS_TCP.
package enum DNSTransport: UInt32, Sendable {
  case udp = 1
  case tcp = 2
}

/// A query that has passed the checks of RFC 1035, 6891 and 9619, and how its
/// answer must look.
struct DNSClientQuery {
  /// As it came, without octets behind its last record.
  let message: [UInt8]
  let header: DNSHeader
  let question: DNSQuestion
  /// End of the question section; the question begins at 12.
  let questionEnd: Int
  let edns: DNSEDNS?
  let transport: DNSTransport

  /// The largest UDP payload IPv4 can carry.
  static let maximumDatagram = 65507
  /// What this host says it takes over UDP: fits any link without fragments
  /// (DNS flag day 2020).
  static let ownUDPSize: UInt16 = 1232

  /// Octets an answer may have (RFC 1035 4.2.1, RFC 6891 6.2.3).
  var answerLimit: Int {
    switch transport {
    case .tcp: 65535
    case .udp: min(max(Int(edns?.udpSize ?? 512), 512), Self.maximumDatagram)
    }
  }

  /// OPT of an answer that has none of its own yet; nil for a client without EDNS
  /// (RFC 6891 6.1.1, 7).
  func answerEDNS(_ code: DNSResponseCode = .noError) -> DNSEDNS? {
    edns.map {
      DNSEDNS(
        udpSize: Self.ownUDPSize, extendedCode: UInt8(truncatingIfNeeded: code.rawValue >> 4),
        flags: $0.flags & 0x8000)
    }
  }

  /// An answer made here.
  func answer(
    _ code: DNSResponseCode, records: [DNSRecord] = [], authoritative: Bool = false
  ) -> [UInt8] {
    var header = header.reply(code)
    header.recursionAvailable = true
    header.isAuthoritative = authoritative
    return DNSMessage(
      header: header, questions: [question], answers: records, edns: answerEDNS(code)
    ).encoded(limit: answerLimit)
  }
}

/// What becomes of the octets a client sent.
enum DNSAdmission {
  case admitted(DNSClientQuery)
  /// Answered with an error at once.
  case rejected([UInt8])
  /// Deserves no answer: no DNS query at all.
  case ignored

  /// Judges a client's message. Never traps, whatever it holds.
  init(_ bytes: [UInt8], over transport: DNSTransport) {
    // Shorter than a header: there is no id to answer to. An answer, or what
    // claims to be one, is never answered, or two hosts could do so for ever.
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
    // RFC 1035 4.1.1: the other opcodes give the sections another meaning, so
    // they are not looked at.
    guard header.opcode == .query else {
      self = reject(.notImplemented)
      return
    }
    // RFC 9619: a query has exactly one question.
    guard let survey = try? DNSSurvey(bytes), survey.questionCount == 1,
      !survey.firstNameIsCompressed, let asked = survey.firstQuestion(of: bytes),
      let name = DNSName(wire: Array(bytes[DNSHeader.length..<survey.firstNameEnd]))
    else {
      self = reject(.formatError)
      return
    }
    let query = DNSClientQuery(
      message: survey.end == bytes.count ? bytes : Array(bytes[..<survey.end]), header: header,
      question: DNSQuestion(name: name, type: asked.type, dnsClass: asked.dnsClass),
      questionEnd: survey.questionEnd, edns: survey.edns(of: bytes), transport: transport)
    if let edns = query.edns, edns.version != 0 {
      self = .rejected(query.answer(.badVersion))  // RFC 6891 6.1.3
    } else if asked.type == .opt {
      self = .rejected(query.answer(.formatError))  // RFC 6891 6.1.1: OPT is no type to ask for
    } else if asked.type == .axfr || asked.type == .ixfr {
      self = .rejected(query.answer(.refused))  // RFC 5936 2.2.1: there is no zone here
    } else {
      self = .admitted(query)
    }
  }
}
