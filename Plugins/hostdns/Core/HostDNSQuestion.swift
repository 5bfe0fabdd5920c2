// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// A query from the host, and the operation that waits for its answer.
struct HostDNSQuestion {
  let header: DNSHeader
  let question: DNSQuestion
  /// The client's OPT; only its presence and DO are passed upstream.
  let edns: DNSEDNS?

  /// nil when the message is not a query; the host has checked that, too.
  init?(_ message: [UInt8]) {
    guard let survey = try? DNSSurvey(message), !survey.header.isResponse,
      survey.questionCount == 1, let asked = survey.firstQuestion(of: message)
    else { return nil }
    var offset = DNSHeader.length
    guard let name = try? DNSName.read(message, at: &offset) else { return nil }
    header = survey.header
    question = DNSQuestion(name: name, type: asked.type, dnsClass: asked.dnsClass)
    edns = survey.edns(of: message)
  }

  /// An answer of the plugin's own.
  /// - Parameters:
  ///   - denialTTL: seconds for which a negative answer may be cached (RFC 2308 5).
  ///   - zone: in which the name does not exist; nil: its parent.
  ///   - options: of EDNS, in wire form.
  func answer(
    _ code: DNSResponseCode, _ records: [DNSRecord] = [], denialTTL: UInt32 = 0,
    zone: DNSName? = nil, options: [UInt8] = []
  ) -> [UInt8] {
    var header = header.reply(code)
    header.recursionAvailable = true
    var message = DNSMessage(header: header, questions: [question], answers: records)
    if code == .nameError || (code == .noError && records.isEmpty) {
      let zone = zone ?? (code == .noError ? question.name : question.name.parent)
      message.authorities = [DNSRecord(authorityOf: zone, ttl: denialTTL)]
    }
    if edns != nil, !options.isEmpty || code.rawValue > 15 {
      message.edns = DNSEDNS(
        udpSize: Self.udpSize, extendedCode: UInt8(truncatingIfNeeded: code.rawValue >> 4),
        options: options)
    }
    return message.encoded()
  }

  /// The answer for a special name.
  func answer(_ special: DNSSpecialName, ipv6: Bool) -> [UInt8] {
    let said = special.answer(question, ipv6: ipv6)
    return answer(
      said.code, said.records, denialTTL: DNSSpecialName.timeToLive, zone: said.zone)
  }

  /// SERVFAIL, with an extended error for a client with EDNS.
  func failure(_ reason: DNSExtendedError) -> [UInt8] {
    answer(.serverFailure, options: reason.option)
  }

  /// The answer to a client that must retry over TCP.
  var truncated: [UInt8] {
    var header = header.reply(.noError)
    header.recursionAvailable = true
    header.isTruncated = true
    return DNSMessage(header: header, questions: [question]).encoded()
  }

  /// An answer to an equal question, with this one's id.
  func claim(_ answer: [UInt8]) -> [UInt8] {
    guard answer.count >= DNSHeader.length else { return answer }
    var answer = answer
    answer[0] = UInt8(header.id >> 8)
    answer[1] = UInt8(header.id & 255)
    return answer
  }

  /// Identifies equal questions: all fields that can change the answer.
  var key: Key {
    Key(
      question: question, flags: header.flags & Self.forwardedFlags,
      dnssecOK: edns.map(\.dnssecOK))
  }

  struct Key: Hashable {
    let question: DNSQuestion
    let flags: UInt16
    let dnssecOK: Bool?
  }

  /// Whether a message has OPT.
  enum EDNSUse {
    case asClient, always, never
  }

  /// Fits any link without fragments (DNS flag day 2020).
  private static let udpSize: UInt16 = 1232

  /// RD, AD and CD: the flags that a client may set for a resolver.
  private static let forwardedFlags: UInt16 = 0x0130

  /// The message for a nameserver. The client's options are not passed on: they concern one hop (cookies, RFC 7873)
  /// or reveal more about the guest than the server needs (client subnet, RFC 7871).
  func upstream(id: UInt16, _ use: EDNSUse) -> [UInt8] {
    let isSent =
      switch use {
      case .asClient: self.edns != nil
      case .always: true
      case .never: false
      }
    let edns =
      isSent ? DNSEDNS(udpSize: Self.udpSize, flags: (self.edns?.flags ?? 0) & 0x8000) : nil
    return DNSMessage(
      header: DNSHeader(id: id, flags: header.flags & Self.forwardedFlags),
      questions: [question], edns: edns
    ).encoded()
  }
}

/// An operation of the host that waits for an answer.
struct Waiter {
  let op: UInt64
  let question: HostDNSQuestion
}
