// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Host
import HostProtocol
import Testing

@Suite(
  "The DNS broker: what becomes of a plugin's answer, and denials of its own",
  .timeLimit(.minutes(5)))
struct DNSRelayTests {
  private let fixture = BrokerFixture()

  private func soa(_ message: DNSMessage?) -> [String] {
    (message?.authorities ?? []).filter { $0.type == .soa }
      .map { "\($0.name.displayed) \($0.ttl)" }
  }

  @Test("options of one hop end here, extended errors do not (RFC 6891 6.1.1, RFC 8914)")
  func options() throws {
    let error: [UInt8] = [0, 15, 0, 2, 0, 22]
    let hop: [UInt8] = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 12, 0, 2, 0, 0]
    let message = try clientQuery(edns: DNSEDNS(udpSize: 1232))
    let bytes = try fixture.relayed(message) {
      pluginAnswer($0, edns: DNSEDNS(udpSize: 1232, options: hop + error))
    }
    #expect(try DNSMessage(parsing: bytes).edns?.options == error)
  }

  @Test(
    "a network that answers for its own names alone refuses all others, and asks nobody (RFC 8914)")
  func localOnly() throws {
    fixture.broker.policy = DNSPolicy(localOnly: true)
    let refused = try #require(
      try fixture.immediate(clientQuery("www.example", edns: DNSEDNS(udpSize: 1232))))
    #expect(refused.header.responseCode == .refused)
    #expect(refused.edns?.optionList.first.map { $0.data.prefix(2) } == [0, 18])
    let special = try #require(try fixture.immediate(clientQuery("localhost")))
    #expect(special.header.responseCode == .noError)
    #expect(fixture.broker.counters.asked == 0)
    #expect(fixture.broker.counters.refused == 1)
  }

  @Test("a TTL of 2^31 and more is seven days, here and in what is kept (RFC 8767 4)")
  func largeTTL() throws {
    let message = try clientQuery()
    let bytes = try fixture.relayed(message) { asked in
      pluginAnswer(asked) { $0.answers[0].ttl = 0x8000_0000 }
    }
    // Not by our own reading, which would hide it.
    let field = bytes.suffix(10).prefix(4)
    #expect(Array(field) == [0, 0x09, 0x3A, 0x80])
    #expect(try fixture.immediate(message)?.answers.map(\.ttl) == [604_800])
  }

  @Test("AA is of the first answer, not of what is kept; Z is of none (RFC 1034 4.3.1, 1035 4.1.1)")
  func authoritative() throws {
    let message = try clientQuery()
    let bytes = try fixture.relayed(message) { asked in
      pluginAnswer(asked) {
        $0.header.isAuthoritative = true
        $0.header.flags |= 0x40
      }
    }
    let first = try DNSMessage(parsing: bytes)
    #expect(first.header.isAuthoritative)
    #expect(first.header.flags & 0x40 == 0)
    #expect(try fixture.immediate(message)?.header.isAuthoritative == false)
  }

  @Test("CD comes back as it was asked, RA is what the plugin says (RFC 4035 3.2.2)")
  func checkingDisabled() throws {
    let bytes = try fixture.relayed(clientQuery { $0.header.checkingDisabled = true }) { asked in
      pluginAnswer(asked) { $0.header.checkingDisabled = false }
    }
    #expect(try DNSMessage(parsing: bytes).header.checkingDisabled)
    let other = try fixture.relayed(clientQuery("b.example")) { asked in
      pluginAnswer(asked) { $0.header.checkingDisabled = true }
    }
    #expect(try !DNSMessage(parsing: other).header.checkingDisabled)
  }

  @Test("compressed RDATA of an older type still says its name behind an alias (RFC 3597 4)")
  func behindAlias() throws {
    try fixture.broker.set(NameSet(owner: "x", hosts: ["alias.test": ["a.example"]]))
    let type = DNSType(rawValue: 18)  // AFSDB
    let asked = try #require(try fixture.ask(clientQuery("alias.test", type)))
    let question = try DNSMessage(parsing: asked.message).questions[0]
    var bytes: [UInt8] = Array(asked.message[..<2]) + [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
    bytes += question.name.wire + [0, 18, 0, 1]
    bytes += [0xC0, 12, 0, 18, 0, 1, 0, 0, 0, 60, 0, 4, 0, 1, 0xC0, 12]
    fixture.broker.complete(asked.lookup, answer: bytes, now: fixture.now)
    guard case .answer(_, let answer)? = fixture.effects().first else {
      Issue.record("no answer")
      return
    }
    let message = try DNSMessage(parsing: answer)
    #expect(message.answers.map(\.type) == [.cname, type])
    #expect(message.answers.last?.data == .opaque(type, [0, 1] + question.name.wire))
  }

  @Test("without IPv6 an answer to ANY has none, nor has one to HTTPS a hint of it (RFC 9460 7.3)")
  func noIPv6() throws {
    fixture.broker.policy = DNSPolicy(ipv6: false)
    let v6 = DNSRecordData.address(.v6(1, 1))
    let bytes = try fixture.relayed(clientQuery("a.example", .any)) { asked in
      pluginAnswer(asked) {
        $0.answers.append(DNSRecord(name: $0.questions[0].name, ttl: 9, data: v6))
        $0.additionals = [DNSRecord(name: $0.questions[0].name, ttl: 9, data: v6)]
      }
    }
    let any = try DNSMessage(parsing: bytes)
    #expect(any.answers.map(\.type) == [.a])
    #expect(any.additionals.isEmpty)
    let hint: [UInt8] = [0, 6, 0, 16] + Array(repeating: 1, count: 16)
    let https = try fixture.relayed(clientQuery("a.example", .https)) { asked in
      pluginAnswer(asked) {
        $0.answers[0].data = .service(.https, priority: 1, target: .root, parameters: hint)
      }
    }
    #expect(
      try DNSMessage(parsing: https).answers.map(\.data)
        == [.service(.https, priority: 1, target: .root, parameters: [])])
  }

  @Test("each denial that is made here carries an SOA, so that it may be kept (RFC 2308 5)")
  func denials() throws {
    try fixture.broker.set(
      NameSet(
        owner: "x", hosts: ["db.corp": ["10.0.0.5"], "sql.corp": ["db.corp"]],
        zones: [
          NameZone(name: "z.test", records: [NameZone.Record(name: "a", address: "10.0.0.1")])
        ]))
    for (name, type, code, expected) in [
      ("db.corp", DNSType.aaaa, DNSResponseCode.noError, "db.corp 5"),
      ("db.corp", .https, .noError, "db.corp 5"), ("sql.corp", .mx, .noError, "db.corp 5"),
      ("a.z.test", .aaaa, .noError, "z.test 5"), ("no.z.test", .a, .nameError, "z.test 5"),
      ("5.0.0.10.in-addr.arpa", .txt, .noError, "5.0.0.10.in-addr.arpa 5"),
    ] {
      let answer = try #require(try fixture.immediate(clientQuery(name, type)))
      #expect(answer.responseCode == code, "\(name) \(type)")
      #expect(soa(answer) == [expected], "\(name) \(type)")
    }
    let found = try #require(try fixture.immediate(clientQuery("sql.corp", .a)))
    #expect(found.authorities.isEmpty)
    #expect(try fixture.immediate(clientQuery("sql.corp", .cname))?.authorities.isEmpty == true)
    fixture.broker.policy = DNSPolicy(ipv6: false)
    let withheld = try #require(try fixture.immediate(clientQuery("other.example", .aaaa)))
    #expect(soa(withheld) == ["other.example 60"])
    #expect(!withheld.header.isAuthoritative)
  }

  @Test("a host `*.dev.internal` stands in for what is missing below (RFC 4592 3.3.1)")
  func wildcards() throws {
    try fixture.broker.set(
      NameSet(
        owner: "x",
        hosts: [
          "*.dev.internal": ["10.0.0.7", "fd00::7"], "db.dev.internal": ["10.0.0.8"],
          "*.alias.test": ["db.dev.internal"],
        ], zones: [NameZone(name: "zone.dev.internal")]))
    func texts(_ name: String, _ type: DNSType = .a) throws -> [String] {
      let answer = try #require(try fixture.immediate(clientQuery(name, type)))
      #expect(answer.responseCode == .noError)
      return answer.answers.map { "\($0.name.displayed) \($0.data)" }
    }
    #expect(try texts("web.dev.internal") == ["web.dev.internal 10.0.0.7"])
    #expect(try texts("A.B.Dev.Internal", .aaaa) == ["A.B.Dev.Internal fd00::7"])
    #expect(try texts("db.dev.internal") == ["db.dev.internal 10.0.0.8"])
    #expect(try texts("web.dev.internal", .https).isEmpty)
    #expect(
      try texts("x.alias.test") == ["x.alias.test db.dev.internal.", "db.dev.internal 10.0.0.8"])
    // A name that is there has no wildcard, nor has one that a zone closer to it owns: nothing is below.
    for name in ["x.db.dev.internal", "x.zone.dev.internal"] {
      let answer = try #require(try fixture.immediate(clientQuery(name)))
      #expect(answer.responseCode == .nameError, "\(name)")
    }
    // The asterisk's own name and what it stands for have no reverse name.
    #expect(try fixture.ask(clientQuery("7.0.0.10.in-addr.arpa", .ptr)) != nil)
  }

  @Test("no wildcard stands in for a name that only has names below it (RFC 4592 2.2.2, 3.3.1)")
  func wildcardAbove() throws {
    try fixture.broker.set(
      NameSet(
        owner: "x",
        hosts: [
          "*.dev.internal": ["10.0.0.7"], "a.dev.internal": ["10.0.0.8"],
          "x.y.dev.internal": ["10.0.0.9"], "*.w.dev.internal": ["10.0.0.10"],
        ]))
    func data(_ name: String) throws -> [String] {
      let answer = try #require(try fixture.immediate(clientQuery(name)))
      #expect(answer.responseCode == .noError, "\(name)")
      if answer.answers.isEmpty { #expect(answer.authorities.map(\.type) == [.soa], "\(name)") }
      return answer.answers.map { "\($0.data)" }
    }
    #expect(try data("Y.dev.internal").isEmpty)
    #expect(try data("w.dev.internal").isEmpty)
    #expect(try data("x.y.dev.internal") == ["10.0.0.9"])
    #expect(try data("b.dev.internal") == ["10.0.0.7"])
    #expect(try data("q.b.dev.internal") == ["10.0.0.7"])
    #expect(try data("q.w.dev.internal") == ["10.0.0.10"])
    func isDenied(_ name: String) throws -> Bool {
      try fixture.immediate(clientQuery(name))?.responseCode == .nameError
    }
    for name in ["q.y.dev.internal", "p.q.y.dev.internal", "q.a.dev.internal"] {
      #expect(try isDenied(name), "\(name)")
    }
    // The same for a guest's name, while it is there, and for a zone's record.
    #expect(fixture.broker.publish("vm.z.dev.internal", address: "10.0.0.11") == .done)
    #expect(try data("z.dev.internal").isEmpty)
    #expect(try isDenied("q.z.dev.internal"))
    #expect(fixture.broker.withdraw("vm.z.dev.internal", address: nil) == .done)
    #expect(try data("z.dev.internal") == ["10.0.0.7"])
    #expect(try data("q.z.dev.internal") == ["10.0.0.7"], "not from what is kept")
    let record = NameZone.Record(name: "r.s.dev", address: "10.0.0.12")
    try fixture.broker.set(
      NameSet(owner: "y", zones: [NameZone(name: "internal", records: [record])]))
    #expect(try data("s.dev.internal").isEmpty)
    #expect(try data("r.s.dev.internal") == ["10.0.0.12"])
    #expect(try isDenied("q.s.dev.internal"))
  }

  @Test("a name above one that is owned is there, whatever the nameservers say (RFC 8020 2)")
  func above() throws {
    try fixture.broker.set(
      NameSet(owner: "x", hosts: ["a.db.corp": ["10.0.0.5"], "*.dev.lan": ["10.0.0.6"]]))
    #expect(fixture.broker.publish("vm.guests", address: "10.0.0.7") == .done)
    func code(_ name: String, _ type: DNSType = .a) throws -> DNSResponseCode {
      let bytes = try fixture.relayed(clientQuery(name, type)) { asked in
        pluginAnswer(asked, count: 0) {
          $0.header.responseCode = .nameError
          $0.authorities = [DNSRecord(authorityOf: .root, ttl: 900)]
        }
      }
      let message = try DNSMessage(parsing: bytes)
      #expect(message.authorities.map(\.type) == [.soa])
      return message.responseCode
    }
    for name in ["corp", "DB.Corp", "lan", "dev.lan", "guests"] {
      #expect(try code(name) == .noError, "\(name)")
      #expect(try code(name, .https) == .noError, "\(name)")
    }
    for name in ["x.corp", "b.db.corp", "a.a.db.corp", "other"] {
      #expect(try code(name) == .nameError, "\(name)")
    }
    #expect(fixture.broker.withdraw("vm.guests", address: nil) == .done)
    try fixture.broker.set(NameSet(owner: "x"))
    for name in ["corp", "dev.lan", "guests"] { #expect(try code(name) == .nameError, "\(name)") }
  }

  @Test("an asterisk that stands for nothing is refused", arguments: ["*", "a*.test", "a.*.test"])
  func strayAsterisks(_ name: String) throws {
    let error = #expect(throws: HostError.self) {
      try fixture.broker.set(NameSet(owner: "x", hosts: [name: ["10.0.0.1"]]))
    }
    #expect(error?.message.contains("`*`") == true)
  }
}
