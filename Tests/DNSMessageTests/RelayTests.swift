// SPDX-License-Identifier: Apache-2.0
//
// What a relay must do to a message: names written out, options of one hop dropped, IPv6 removed.

import DNSMessage
import Testing

@Suite(
  "What a relay does to messages (RFC 3597 4, RFC 6891 6.1.1, RFC 9460)", .timeLimit(.minutes(5)))
struct RelayTests {
  /// An answer with one record behind a question for "a.example", octet for octet.
  private func answer(_ type: UInt16, _ data: [UInt8]) throws -> [UInt8] {
    var bytes: [UInt8] = [0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
    bytes += try name("a.example").wire + [UInt8(type >> 8), UInt8(type & 255), 0, 1]
    bytes += [0xC0, 12, UInt8(type >> 8), UInt8(type & 255), 0, 1, 0, 0, 0, 60]
    return bytes + [0, UInt8(data.count)] + data
  }

  @Test(
    "names that an older type may have compressed are written out (RFC 3597 4)",
    arguments: [
      (14, [0xC0, 12, 0xC0, 14], [], 2), (17, [0xC0, 12, 0xC0, 12], [], 2),
      (18, [0, 7, 0xC0, 12], [0, 7], 1), (21, [0, 7, 0xC0, 12], [0, 7], 1),
      (26, [0, 7, 0xC0, 12, 0xC0, 12], [0, 7], 2), (36, [0, 7, 0xC0, 12], [0, 7], 1),
      (35, [0, 1, 0, 2, 1, 0x75, 0, 0, 0xC0, 12], [0, 1, 0, 2, 1, 0x75, 0, 0], 1),
      (3, [0xC0, 12], [], 1), (30, [0xC0, 12], [], 1),
    ] as [(UInt16, [UInt8], [UInt8], Int)])
  func expanded(_ type: UInt16, _ data: [UInt8], _ head: [UInt8], _ names: Int) throws {
    var message = try DNSMessage(parsing: answer(type, data))
    // Behind another question a pointer would mean another name.
    message.questions[0].name = try name("somewhere.else.test")
    guard case .opaque(_, let bytes) = try DNSMessage(parsing: message.encoded()).answers[0].data
    else {
      Issue.record("not opaque")
      return
    }
    #expect(bytes.starts(with: head))
    #expect(!bytes.contains { $0 & 0xC0 == 0xC0 })
    let owner = try name("a.example").wire
    #expect(Array(bytes.dropFirst(head.count).prefix(owner.count)) == owner)
  }

  @Test("RDATA of a type that is not known stays as it is, pointer or not (RFC 3597 3)")
  func unknown() throws {
    let message = try DNSMessage(parsing: answer(65280, [0xC0, 12]))
    #expect(message.answers[0].data == .opaque(DNSType(rawValue: 65280), [0xC0, 12]))
  }

  @Test("an older type with a pointer to nowhere is an error, not somebody else's name")
  func badPointer() throws {
    #expect(throws: DNSParseError.self) {
      try DNSMessage(parsing: answer(17, [0xC0, 12, 0xC1, 0]))
    }
  }

  @Test("of EDNS options only extended errors concern more than one hop (RFC 6891 6.1.1, 8914)")
  func options() {
    let error: [UInt8] = [0, 15, 0, 4, 0, 18, 0x6E, 0x6F]
    let hop: [UInt8] =
      [0, 10, 0, 2, 1, 2] + [0, 8, 0, 4, 0, 1, 0, 0] + [0, 11, 0, 2, 0, 100] + [
        0, 12, 0, 3, 0, 0, 0,
      ]
    #expect(DNSEDNS.endToEnd(hop + error + hop) == error)
    #expect(DNSEDNS.endToEnd(error + error) == error + error)
    #expect(DNSEDNS.endToEnd([0, 15, 0, 9, 0]).isEmpty)
    #expect(DNSEDNS.endToEnd([]).isEmpty)
  }

  private let v4 = DNSRecordData.address(.v4(0xC000_0201))
  private let v6 = DNSRecordData.address(.v6(0x2001_0DB8_0000_0000, 1))

  private func stripped(_ change: (inout DNSMessage) -> Void) throws -> DNSMessage {
    let question = DNSQuestion(name: try name("a.example"), type: .any)
    var message = DNSMessage(header: DNSHeader(id: 9, flags: 0x81A0), questions: [question])
    change(&message)
    return try DNSMessage(parsing: #require(DNSMessage.withoutIPv6(message.encoded())))
  }

  @Test("without IPv6 no section has an AAAA record, nor a signature over one")
  func addresses() throws {
    let owner = try name("a.example")
    let signature = DNSRecordData.opaque(
      DNSType(rawValue: 46), [0, 28] + Array(repeating: 1, count: 20))
    let kept = DNSRecordData.opaque(DNSType(rawValue: 46), [0, 1] + Array(repeating: 1, count: 20))
    let message = try stripped {
      $0.answers = [v4, v6, signature, kept].map { DNSRecord(name: owner, ttl: 60, data: $0) }
      $0.additionals = [v6, v4].map { DNSRecord(name: owner, ttl: 60, data: $0) }
    }
    #expect(message.answers.map(\.data) == [v4, kept])
    #expect(message.additionals.map(\.data) == [v4])
    #expect(!message.header.authenticData)
  }

  @Test("an answer of nothing but IPv6 is NODATA, with an SOA (RFC 2308 2.2)")
  func onlyIPv6() throws {
    let owner = try name("a.example")
    let message = try stripped { $0.answers = [DNSRecord(name: owner, ttl: 60, data: v6)] }
    #expect(message.responseCode == .noError)
    #expect(message.answers.isEmpty)
    #expect(message.authorities.map(\.type) == [.soa])
  }

  @Test("ipv6hint goes, and with it what mandatory says of it (RFC 9460 7.3, 8)")
  func hints() throws {
    let owner = try name("a.example")
    let hint4: [UInt8] = [0, 4, 0, 4, 192, 0, 2, 1]
    let hint6: [UInt8] = [0, 6, 0, 16] + Array(repeating: 1, count: 16)
    let alpn: [UInt8] = [0, 1, 0, 3, 2, 0x68, 0x32]
    func record(_ parameters: [UInt8]) -> DNSRecord {
      DNSRecord(
        name: owner, ttl: 60,
        data: .service(.https, priority: 1, target: .root, parameters: parameters))
    }
    let message = try stripped {
      $0.answers = [
        record([0, 0, 0, 4, 0, 1, 0, 6] + alpn + hint4 + hint6),
        record([0, 0, 0, 2, 0, 6] + alpn + hint6), record(alpn + hint4),
      ]
    }
    #expect(
      message.answers == [
        record([0, 0, 0, 2, 0, 1] + alpn + hint4), record(alpn), record(alpn + hint4),
      ])
  }

  @Test("what has no IPv6 stays octet for octet, compression and all")
  func untouched() throws {
    let bytes = try answer(17, [0xC0, 12, 0xC0, 12])
    #expect(DNSMessage.withoutIPv6(bytes) == bytes)
    #expect(DNSMessage.withoutIPv6([1, 2, 3]) == [1, 2, 3])
  }

  @Test(
    "an asterisk is a wildcard as the whole first label, and stray anywhere else (RFC 4592 2.1.1)",
    arguments: [
      ("*.dev.internal", true, false), ("dev.internal", false, false), ("*", false, true),
      ("a*.dev.internal", false, true), ("a.*.internal", false, true),
      ("*.*.internal", true, true), ("**.internal", false, true),
    ])
  func asterisks(_ text: String, _ isWildcard: Bool, _ isStray: Bool) throws {
    #expect(try name(text).isWildcard == isWildcard)
    #expect(try name(text).hasStrayAsterisk == isStray)
  }
}
