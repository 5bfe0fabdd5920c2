// SPDX-License-Identifier: Apache-2.0
//
// Which names a wildcard stands in for: the examples of RFC 4592 2.2.1, whoever has the other names.

import DNSMessage
import Host
import HostProtocol
import Testing

@Suite("Wildcards (RFC 4592 2.2.1)", .timeLimit(.minutes(5)))
struct DNSWildcardTests {
  enum Owner: CaseIterable {
    case hosts, zone, plugin
  }

  private static let others = [
    "host1.example", "_ssh._tcp.host1.example", "_ssh._tcp.host2.example",
  ]

  /// The zone of the RFC: `*.example`, and three names that `owner` has.
  private func fixture(_ owner: Owner) throws -> BrokerFixture {
    let fixture = BrokerFixture()
    var hosts = ["*.example": ["192.0.2.9"]]
    var zones = [NameZone(name: "subdel.example")]
    switch owner {
    case .hosts: for name in Self.others { hosts[name] = ["192.0.2.1"] }
    case .zone:
      let records = Self.others.map {
        NameZone.Record(name: String($0.dropLast(".example".count)), address: "192.0.2.1")
      }
      zones.append(NameZone(name: "example", records: records))
    case .plugin:
      for name in Self.others {
        #expect(fixture.broker.publish(name, address: "192.0.2.1") == .done)
      }
    }
    try fixture.broker.set(NameSet(owner: "a", hosts: hosts))
    try fixture.broker.set(NameSet(owner: "b", zones: zones))
    return fixture
  }

  @Test(
    "a name that is there has no wildcard, nor has what is below it, whoever owns it",
    arguments: Owner.allCases)
  func examples(_ owner: Owner) throws {
    let fixture = try fixture(owner)
    let wildcard = ["192.0.2.9"]
    let expected: [(String, DNSType, [String])] = [
      // Synthesized.
      ("host3.example", .a, wildcard), ("host3.example", .mx, []),
      ("foo.bar.example", .a, wildcard), ("*.example", .a, wildcard),
      // There, with another type.
      ("host1.example", .a, ["192.0.2.1"]), ("host1.example", .mx, []),
      // There, since names below it are (2.2.2).
      ("host2.example", .a, []),
    ]
    for (name, type, data) in expected {
      let answer = try #require(try fixture.immediate(clientQuery(name, type)), "\(name)")
      #expect(answer.responseCode == .noError, "\(name) \(type)")
      #expect(answer.answers.map { "\($0.data)" } == data, "\(name) \(type)")
    }
    // There as well, since names below them are.
    for name in ["_tcp.host1.example", "_tcp.host2.example"] {
      let answer = try #require(try fixture.immediate(clientQuery(name, .txt)), "\(name)")
      #expect(answer.responseCode == .noError && answer.answers.isEmpty, "\(name)")
    }
    // Below a zone of its own.
    #expect(
      try fixture.immediate(clientQuery("host.subdel.example"))?.responseCode == .nameError)
    // Below a name that has no wildcard, and not there: they are told to nobody outside.
    for name in [
      "_telnet._tcp.host1.example", "x.host1.example", "x.y.host1.example", "x.host2.example",
      "ghost.*.example", "a.ghost.*.example",
    ] {
      let answer = try #require(try fixture.immediate(clientQuery(name)), "\(name)")
      #expect(answer.responseCode == .nameError, "\(name)")
    }
    #expect(fixture.broker.counters.asked == 0)
  }

  @Test("with the name the obstacle goes")
  func withdrawn() throws {
    let fixture = try fixture(.zone)
    #expect(try fixture.immediate(clientQuery("x.host1.example"))?.responseCode == .nameError)
    try fixture.broker.set(NameSet(owner: "b"))
    let answer = try #require(try fixture.immediate(clientQuery("x.host1.example")))
    #expect(answer.answers.map { "\($0.data)" } == ["192.0.2.9"])
  }

  @Test("an asterisk in a zone's record is refused, not kept as a name nobody asks for")
  func zoneRecord() throws {
    let fixture = BrokerFixture()
    let record = NameZone.Record(name: "*.dev", address: "192.0.2.1")
    #expect(throws: HostError.self) {
      try fixture.broker.set(
        NameSet(owner: "a", zones: [NameZone(name: "corp.example", records: [record])]))
    }
  }
}

@Suite("Names that never leave (RFC 6761 6, RFC 7686)", .timeLimit(.minutes(5)))
struct DNSSpecialNameTests {
  private static let questions:
    [(name: String, type: DNSType, code: DNSResponseCode, data: [String])] =
      [
        ("localhost", .a, .noError, ["127.0.0.1"]), ("LocalHost", .aaaa, .noError, ["::1"]),
        ("x.localhost", .any, .noError, ["127.0.0.1", "::1"]), ("localhost", .mx, .noError, []),
        ("a.b.localhost", .https, .noError, []), ("x.invalid", .a, .nameError, []),
        ("invalid", .ns, .nameError, []), ("abc.onion", .a, .nameError, []),
        ("ONION", .soa, .nameError, []), ("1.0.0.127.in-addr.arpa", .ptr, .noError, ["localhost."]),
        ("9.9.9.127.in-addr.arpa", .ptr, .nameError, []),
      ]

  @Test("no plugin is asked for them, and there need not be one", arguments: [true, false])
  func everyPlugin(_ hasPlugin: Bool) throws {
    let fixture = BrokerFixture()
    fixture.broker.hasPlugin = hasPlugin
    for (name, type, code, data) in Self.questions {
      let answer = try #require(try fixture.immediate(clientQuery(name, type)), "\(name)")
      #expect(answer.responseCode == code, "\(name) \(type)")
      #expect(answer.answers.map { "\($0.data)" } == data, "\(name) \(type)")
      #expect(answer.authorities.map(\.type) == (data.isEmpty ? [.soa] : []), "\(name) \(type)")
    }
    #expect(fixture.broker.counters.asked == 0)
    #expect(fixture.broker.counters.special == UInt64(Self.questions.count))
  }

  @Test("a plugin that knows more of them is asked, as hostdns is for the hosts file's")
  func knowing() throws {
    let fixture = BrokerFixture()
    fixture.broker.pluginKnowsSpecialNames = true
    #expect(try fixture.ask(clientQuery("app.localhost")) != nil)
  }

  @Test(
    "of another class they are refused, whichever plugin there is; class ANY is as IN",
    arguments: [true, false])
  func classes(_ knows: Bool) throws {
    let fixture = BrokerFixture()
    fixture.broker.pluginKnowsSpecialNames = knows
    for name in ["localhost", "x.localhost", "x.invalid", "abc.onion", "1.0.0.127.in-addr.arpa"] {
      for dnsClass in [DNSClass.chaos, DNSClass(rawValue: 4), .none] {
        let message = try clientQuery(name, .any, edns: DNSEDNS(udpSize: 1232)) {
          $0.questions[0].dnsClass = dnsClass
        }
        let answer = try #require(try fixture.immediate(message), "\(name) \(dnsClass)")
        #expect(answer.responseCode == .refused && answer.answers.isEmpty)
        #expect(answer.edns?.extendedErrors.map(\.code) == [DNSExtendedError.notSupported])
      }
    }
    let any = try clientQuery("localhost", .a) { $0.questions[0].dnsClass = .any }
    #expect(try fixture.immediate(any)?.answers.map { "\($0.data)" } == ["127.0.0.1"])
  }

  @Test("the network's own names go before, and an alias of them may lead there")
  func owned() throws {
    let fixture = BrokerFixture()
    try fixture.broker.set(
      NameSet(
        owner: "a", hosts: ["app.localhost": ["10.0.0.7"], "away.example": ["gone.invalid"]]))
    #expect(
      try fixture.immediate(clientQuery("app.localhost"))?.answers.map { "\($0.data)" }
        == ["10.0.0.7"])
    let answer = try #require(try fixture.immediate(clientQuery("away.example")))
    #expect(answer.responseCode == .nameError)
    #expect(answer.answers.map { "\($0.data)" } == ["gone.invalid."])
  }
}
