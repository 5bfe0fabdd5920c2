// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// The client's transport; raw values are LND_DNS_UDP and LND_DNS_TCP.
package enum DNSTransport: UInt32, Sendable {
  case udp = 1
  case tcp = 2
}

/// A query that has passed the checks of RFC 1035, 6891 and 9619, and the properties of its client that shape the
/// answer.
struct DNSClientQuery {
  let header: DNSHeader
  let question: DNSQuestion
  let edns: DNSEDNS?
  let transport: DNSTransport

  /// The largest UDP payload IPv4 can carry.
  static let maximumDatagram = 65507
  /// The UDP payload size that this host advertises: fits any link without fragments (DNS flag day 2020).
  static let ownUDPSize: UInt16 = 1232

  init(header: DNSHeader, question: DNSQuestion, edns: DNSEDNS?, transport: DNSTransport) {
    self.header = header
    self.question = question
    self.edns = edns
    self.transport = transport
  }

  /// The same client's, for another name and without a size limit.
  init(_ question: DNSQuestion, like query: DNSClientQuery) {
    self.init(header: query.header, question: question, edns: query.edns, transport: .tcp)
  }

  /// Maximum octets of an answer (RFC 1035 4.2.1, RFC 6891 6.2.3).
  var answerLimit: Int {
    switch transport {
    case .tcp: 65535
    case .udp: min(max(Int(edns?.udpSize ?? 512), 512), Self.maximumDatagram)
    }
  }

  /// The OPT for an answer without one; nil for a client without EDNS (RFC 6891 6.1.1, 7).
  func answerEDNS(_ code: DNSResponseCode = .noError) -> DNSEDNS? {
    edns.map {
      DNSEDNS(
        udpSize: Self.ownUDPSize, extendedCode: UInt8(truncatingIfNeeded: code.rawValue >> 4),
        flags: $0.flags & 0x8000)
    }
  }

  /// An answer of the broker's own.
  /// - Parameters:
  ///   - authority: the SOA of a negative one.
  ///   - reason: an extended error, for a client with EDNS.
  func answer(
    _ code: DNSResponseCode, records: [DNSRecord] = [], authority: DNSRecord? = nil,
    authoritative: Bool = false, reason: DNSExtendedError? = nil
  ) -> [UInt8] {
    var header = header.reply(code)
    header.recursionAvailable = true
    header.isAuthoritative = authoritative
    var edns = answerEDNS(code)
    edns?.options = reason?.option ?? []
    return DNSMessage(
      header: header, questions: [question], answers: records,
      authorities: authority.map { [$0] } ?? [], edns: edns
    ).encoded(limit: answerLimit)
  }

  /// SERVFAIL or REFUSED, for reasons other than the question's form.
  func failure(_ failure: DNSFailure) -> [UInt8] {
    answer(failure.code, reason: failure.reason)
  }

  /// An answer's header for this client: its id, RD and CD; AD only for clients that understand it (RFC 6840 5.8).
  func header(of answer: DNSAnswer) -> DNSHeader {
    var header = DNSHeader(id: self.header.id, flags: answer.flags)
    header.recursionDesired = self.header.recursionDesired
    header.checkingDisabled = self.header.checkingDisabled
    if !self.header.authenticData, edns?.dnssecOK != true { header.authenticData = false }
    return header
  }

  /// The answer to a UDP client when the full one is too large: header with TC, question and OPT; the client retries
  /// over TCP (RFC 2181 9, RFC 7766 5).
  func truncated(_ header: DNSHeader, _ edns: DNSEDNS?) -> [UInt8] {
    var header = header
    header.isTruncated = true
    var edns = edns
    edns?.options = []
    return DNSMessage(header: header, questions: [question], edns: edns)
      .encoded(limit: answerLimit)
  }

  /// Header and question, with the client's spelling.
  func write(
    _ header: DNSHeader, _ counts: (answer: UInt16, authority: UInt16, additional: UInt16),
    to bytes: inout [UInt8]
  ) {
    func put(_ value: UInt16) {
      bytes.append(UInt8(value >> 8))
      bytes.append(UInt8(value & 255))
    }
    put(header.id)
    put(header.flags)
    put(1)
    put(counts.answer)
    put(counts.authority)
    put(counts.additional)
    bytes.append(contentsOf: question.name.wire)
    put(question.type.rawValue)
    put(question.dnsClass.rawValue)
  }
}
