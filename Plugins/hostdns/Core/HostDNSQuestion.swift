// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// A question as the host handed it over, and who waits for its answer.
struct HostDNSQuestion {
  let header: DNSHeader
  let question: DNSQuestion
  /// Of the client; only DO and the fact that it is there go upstream.
  let edns: DNSEDNS?

  /// nil for what is no query; the host has checked, but costs nothing to check.
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

  /// An answer made here.
  /// - Parameters:
  ///   - denialTTL: seconds that it may be kept that there is nothing (RFC 2308 5).
  ///   - zone: which the name is missing in; nil: what is above it.
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

  /// What is known of a special name.
  func answer(_ special: DNSSpecialName, ipv6: Bool) -> [UInt8] {
    let said = special.answer(question, ipv6: ipv6)
    return answer(
      said.code, said.records, denialTTL: DNSSpecialName.timeToLive, zone: said.zone)
  }

  /// SERVFAIL, with its reason for a client that knows EDNS.
  func failure(_ reason: DNSExtendedError) -> [UInt8] {
    answer(.serverFailure, options: reason.option)
  }

  /// For who has to ask again over TCP.
  var truncated: [UInt8] {
    var header = header.reply(.noError)
    header.recursionAvailable = true
    header.isTruncated = true
    return DNSMessage(header: header, questions: [question]).encoded()
  }

  /// An answer to the same question of somebody else, with this one's id.
  func claim(_ answer: [UInt8]) -> [UInt8] {
    guard answer.count >= DNSHeader.length else { return answer }
    var answer = answer
    answer[0] = UInt8(header.id >> 8)
    answer[1] = UInt8(header.id & 255)
    return answer
  }

  /// What makes two questions one: all that can change the answer.
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

  /// What fits any link without fragments (DNS flag day 2020).
  private static let udpSize: UInt16 = 1232

  /// RD, AD and CD: what a client may ask of a resolver.
  private static let forwardedFlags: UInt16 = 0x0130

  /// The message for a nameserver. Options are not passed on: they concern one
  /// hop (cookies, RFC 7873) or tell more about the guest than the server needs
  /// (client subnet, RFC 7871).
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

/// A host's operation that waits for an answer.
struct Waiter {
  let op: UInt64
  let question: HostDNSQuestion
}
