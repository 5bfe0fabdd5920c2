// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Testing

func name(_ text: String) throws -> DNSName {
  try #require(DNSName(text))
}

/// One record of each kind the module takes apart, and one it does not.
func allRecords() throws -> [DNSRecord] {
  let owner = try name("Host.example.com")
  let target = try name("target.example.com")
  let data: [DNSRecordData] = [
    .address(try #require(DNSAddress("192.168.5.2"))),
    .address(try #require(DNSAddress("fd00::2"))),
    .name(.cname, target), .name(.ns, target), .name(.ptr, target), .name(.dname, target),
    .mx(preference: 10, exchange: target),
    .txt([Array("v=spf1 -all".utf8), [], [0, 255, 34]]),
    .srv(priority: 1, weight: 2, port: 443, target: target),
    .soa(
      DNSStartOfAuthority(
        primary: target, mailbox: owner, serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5)),
    .caa(flags: 128, tag: Array("issue".utf8), value: Array("ca.example".utf8)),
    .service(.https, priority: 1, target: .root, parameters: [0, 1, 0, 3, 2, 0x68, 0x32]),
    .service(.svcb, priority: 0, target: target, parameters: []),
    .opaque(DNSType(rawValue: 65280), [1, 2, 3]),
    .opaque(.any, []),
  ]
  return data.map { DNSRecord(name: owner, ttl: 300, data: $0) }
}

@Suite("Messages (RFC 1035 4, RFC 3597, RFC 6891)", .timeLimit(.minutes(5)))
struct MessageTests {
  @Test("a query from dig is read")
  func digQuery() throws {
    let bytes: [UInt8] =
      [0x12, 0x34, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1]
      + [7] + Array("Example".utf8) + [3] + Array("com".utf8) + [0, 0, 28, 0, 1]
      + [0, 0, 41, 0x04, 0xD0, 0, 0, 0x80, 0, 0, 4, 0, 10, 0, 0]
    let message = try DNSMessage(parsing: bytes)
    #expect(message.header.id == 0x1234)
    #expect(message.header.recursionDesired)
    #expect(message.header.authenticData)
    #expect(!message.header.isResponse)
    #expect(message.questions == [DNSQuestion(name: try name("example.com"), type: .aaaa)])
    #expect(message.questions[0].name.displayed == "Example.com")
    let edns = try #require(message.edns)
    #expect(edns.udpSize == 1232)
    #expect(edns.dnssecOK)
    #expect(edns.options == [0, 10, 0, 0])
    #expect(message.encoded() == bytes)
    let survey = try DNSSurvey(bytes)
    #expect(survey.edns(of: bytes)?.udpSize == 1232)
    #expect(survey.end == bytes.count)
    #expect(survey.firstQuestion(of: bytes)?.type == .aaaa)
  }

  @Test("every record kind survives the wire, in every section")
  func roundTrip() throws {
    var header = DNSHeader(id: 7)
    header.isResponse = true
    header.responseCode = .nameError
    let records = try allRecords()
    let message = DNSMessage(
      header: header, questions: [DNSQuestion(name: try name("host.example.com"), type: .any)],
      answers: records, authorities: records, additionals: records,
      edns: DNSEDNS(udpSize: 1232, extendedCode: 1, flags: 0x8000))
    let bytes = message.encoded()
    let parsed = try DNSMessage(parsing: bytes)
    #expect(parsed == message)
    #expect(parsed.responseCode.rawValue == 19)
    #expect(parsed.encoded() == bytes)
    let survey = try DNSSurvey(bytes)
    #expect(survey.answerCount == records.count)
    #expect(survey.end == bytes.count)
    #expect(survey.optRange?.upperBound == bytes.count)
    #expect(survey.recordsBeforeOPT == records.count)
  }

  @Test("compression shares suffixes and keeps the case of each name (RFC 4343 4.1)")
  func compression() throws {
    let lower = DNSRecord(
      name: try name("a.example.com"), ttl: 1, data: .name(.cname, try name("b.example.com")))
    let upper = DNSRecord(
      name: try name("A.EXAMPLE.com"), ttl: 1, data: .name(.cname, try name("a.example.com")))
    let message = DNSMessage(header: DNSHeader(), answers: [lower, upper])
    let bytes = message.encoded()
    #expect(bytes.count == 12 + 15 + 10 + 4 + 12 + 10 + 2)
    let parsed = try DNSMessage(parsing: bytes)
    #expect(parsed.answers[1].name.displayed == "A.EXAMPLE.com")
    #expect(parsed.answers[1].data == .name(.cname, try name("a.example.com")))
  }

  @Test("names in SRV, DNAME and SVCB are never compressed (RFC 2782, 6672, 9460)")
  func noCompression() throws {
    let target = try name("t.example.com")
    for data: DNSRecordData in [
      .srv(priority: 0, weight: 0, port: 0, target: target), .name(.dname, target),
      .service(.svcb, priority: 1, target: target, parameters: []),
    ] {
      let message = DNSMessage(
        header: DNSHeader(), answers: [DNSRecord(name: target, ttl: 0, data: data)])
      let bytes = message.encoded()
      #expect(bytes.suffix(target.wire.count) == target.wire[...])
    }
  }

  @Test("a limit cuts at record boundaries and sets TC (RFC 2181 9)", arguments: 12..<240)
  func truncation(limit: Int) throws {
    let owner = try name("many.example.com")
    var message = DNSMessage(
      header: DNSHeader(id: 1, flags: 0x8000), questions: [DNSQuestion(name: owner, type: .a)])
    for value in 0..<10 {
      message.answers.append(DNSRecord(name: owner, ttl: 1, data: .address(.v4(UInt32(value)))))
    }
    message.edns = DNSEDNS(udpSize: 512)
    let whole = message.encoded().count
    let bytes = message.encoded(limit: limit)
    let parsed = try DNSMessage(parsing: bytes)
    #expect(parsed.header.isTruncated == (limit < whole))
    #expect(parsed.answers == Array(message.answers.prefix(parsed.answers.count)))
    #expect(parsed.edns == message.edns)
    // Below header and OPT there is nothing left to give up.
    #expect(bytes.count <= max(limit, 23))
  }

  @Test("a missing additional record is no truncation (RFC 2181 9)")
  func additionalsMayGo() throws {
    let owner = try name("x")
    let record = DNSRecord(name: owner, ttl: 1, data: .address(.v4(1)))
    let message = DNSMessage(header: DNSHeader(), answers: [record], additionals: [record])
    let parsed = try DNSMessage(parsing: message.encoded(limit: 35))
    #expect(!parsed.header.isTruncated)
    #expect(parsed.answers.count == 1)
    #expect(parsed.additionals.isEmpty)
  }

  @Test("a TTL with the top bit set is a long time, not 0 (RFC 8767 4, updating RFC 2181 8)")
  func largeTTL() throws {
    let message = DNSMessage(
      header: DNSHeader(),
      answers: [DNSRecord(name: .root, ttl: 0x8000_0001, data: .address(.v4(1)))])
    #expect(try DNSMessage(parsing: message.encoded()).answers[0].ttl == 604_800)
  }

  @Test(
    "broken messages end in an error",
    arguments: [
      ("empty", [], .truncated),
      ("header cut", [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], .truncated),
      ("question missing", [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], .truncated),
      ("65535 answers claimed", [0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0], .truncated),
      (
        "A of three octets",
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 3, 1, 2, 3],
        .badRecordData(.a)
      ),
      (
        "RDLENGTH beyond the end",
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 9, 1, 2, 3], .truncated
      ),
      (
        "name longer than its RDATA",
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 1, 0x61, 0],
        .truncated
      ),
      (
        "OPT in the answer section",
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0], .badOPT
      ),
      (
        "OPT not at the root",
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x61, 0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0], .badOPT
      ),
      (
        "two OPTs",
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2] + [0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0]
          + [0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0], .badOPT
      ),
      (
        "option longer than OPT",
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] + [0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 1],
        .truncated
      ),
    ] as [(String, [UInt8], DNSParseError)])
  func broken(_ title: String, _ bytes: [UInt8], _ error: DNSParseError) {
    #expect(throws: error) { try DNSMessage(parsing: bytes) }
  }

  @Test("the header's bits lie where RFC 1035 4.1.1 has them")
  func headerBits() {
    var header = DNSHeader(id: 1)
    header.isResponse = true
    header.opcode = DNSOpcode(rawValue: 5)
    header.isAuthoritative = true
    header.isTruncated = true
    header.recursionDesired = true
    header.recursionAvailable = true
    header.authenticData = true
    header.checkingDisabled = true
    header.responseCode = .refused
    #expect(header.flags == 0xAFB5)
    header.isTruncated = false
    #expect(header.flags == 0xADB5)
    #expect(header.reply(.serverFailure).flags == 0xA912)
  }

  @Test("records print as in a master file")
  func text() throws {
    let lines = try allRecords().map {
      String($0.description.dropFirst("Host.example.com.\t300\tIN\t".count))
    }
    #expect(
      lines == [
        "A\t192.168.5.2", "AAAA\tfd00::2", "CNAME\ttarget.example.com.",
        "NS\ttarget.example.com.", "PTR\ttarget.example.com.", "DNAME\ttarget.example.com.",
        "MX\t10 target.example.com.", "TXT\t\"v=spf1 -all\" \"\" \"\\000\\255\\\"\"",
        "SRV\t1 2 443 target.example.com.",
        "SOA\ttarget.example.com. Host.example.com. 1 2 3 4 5",
        "CAA\t128 issue \"ca.example\"", "HTTPS\t1 . alpn=\"h2\"",
        "SVCB\t0 target.example.com.", "TYPE65280\t\\# 3 010203", "ANY\t\\# 0",
      ])
  }

  @Test("types have names in any case, unknown ones numbers (RFC 3597 5)")
  func types() {
    #expect(DNSType("aaaa") == .aaaa)
    #expect(DNSType("type65535")?.rawValue == 65535)
    #expect(DNSType("TYPE65536") == nil)
    #expect(DNSType("nope") == nil)
    #expect(DNSType(rawValue: 28).description == "AAAA")
  }
}
