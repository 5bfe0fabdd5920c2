// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Host
import Testing

@Suite("Owned names (limanetd.names/1)", .timeLimit(.minutes(5)))
struct DNSNameTableTests {
  private func fixture() -> BrokerFixture {
    let fixture = BrokerFixture()
    for (name, address) in [
      ("host.lima.internal", "192.168.5.2"), ("Guest.Internal.", "192.168.5.15"),
      ("guest.internal", "fd00::15"), ("guest.internal", "192.168.5.16"), ("single", "10.0.0.1"),
      ("app.dev", "192.168.5.15"),
    ] {
      #expect(fixture.broker.publish(name, address: address) == .done)
    }
    return fixture
  }

  @Test(
    "a name's addresses are answered here, in any case, in their order",
    arguments: [
      ("host.lima.internal", DNSType.a, ["192.168.5.2"]),
      ("HOST.Lima.Internal", .a, ["192.168.5.2"]),
      ("guest.internal", .a, ["192.168.5.15", "192.168.5.16"]),
      ("guest.internal", .aaaa, ["fd00::15"]),
      ("guest.internal", .any, ["192.168.5.15", "fd00::15", "192.168.5.16"]),
      ("single", .a, ["10.0.0.1"]),
    ])
  func addresses(_ name: String, _ type: DNSType, _ expected: [String]) throws {
    let answer = try #require(try fixture().immediate(clientQuery(name, type)))
    #expect(answer.answers.map { "\($0.data)" } == expected)
    #expect(answer.header.isAuthoritative)
    #expect(answer.header.recursionAvailable)
    #expect(answer.questions[0].name.displayed == name)
    #expect(answer.answers.allSatisfy { $0.name.displayed == name })
  }

  @Test(
    "every other type of an owned name is NODATA (RFC 2308 2.2), nothing of it leaks",
    arguments: [
      ("host.lima.internal", DNSType.aaaa), ("host.lima.internal", .txt), ("app.dev", .https),
      ("guest.internal", .mx), ("2.5.168.192.in-addr.arpa", .txt),
    ])
  func noData(_ name: String, _ type: DNSType) throws {
    let answer = try #require(try fixture().immediate(clientQuery(name, type)))
    #expect(answer.responseCode == .noError)
    #expect(answer.answers.isEmpty)
  }

  @Test(
    "reverse lookups give the names (RFC 1035 3.5, RFC 3596 2.5)",
    arguments: [
      ("2.5.168.192.in-addr.arpa", ["host.lima.internal."]),
      ("15.5.168.192.IN-ADDR.ARPA", ["Guest.Internal.", "app.dev."]),
      (
        "5.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
        ["guest.internal."]
      ),
    ])
  func reverse(_ name: String, _ expected: [String]) throws {
    let answer = try #require(try fixture().immediate(clientQuery(name, .ptr)))
    #expect(answer.answers.map { "\($0.data)" } == expected)
  }

  @Test(
    "only the very name is owned: what lies above or below goes to the plugin",
    arguments: [
      "dev", "other.dev", "sub.app.dev", "other.internal", "x.lima.internal", "single.example",
      "3.5.168.192.in-addr.arpa", ".",
    ])
  func notOwned(_ name: String) throws {
    #expect(try fixture().ask(clientQuery(name)) != nil)
  }

  @Test(
    "above names of a network's own domain there is nobody to ask: NODATA (RFC 8020 2)",
    arguments: ["internal", "lima.internal", "Lima.Internal"])
  func above(_ name: String) throws {
    let answer = try #require(try fixture().immediate(clientQuery(name)))
    #expect(answer.responseCode == .noError && answer.answers.isEmpty)
  }

  @Test("another class of an owned name is NODATA, too")
  func otherClass() throws {
    let message = try clientQuery("host.lima.internal") { $0.questions[0].dnsClass = .chaos }
    #expect(try fixture().immediate(message)?.answers.isEmpty == true)
  }

  @Test("withdrawing takes one address or all, twice is once")
  func withdraw() throws {
    let fixture = fixture()
    #expect(fixture.broker.withdraw("GUEST.internal", address: "192.168.5.15") == .done)
    #expect(fixture.broker.withdraw("guest.internal", address: "192.168.5.15") == .done)
    let answer = try #require(try fixture.immediate(clientQuery("guest.internal")))
    #expect(answer.answers.map { "\($0.data)" } == ["192.168.5.16"])
    #expect(fixture.broker.withdraw("guest.internal", address: nil) == .done)
    #expect(try fixture.ask(clientQuery("guest.internal")) != nil)
    #expect(
      try fixture.immediate(clientQuery("15.5.168.192.in-addr.arpa", .ptr))?.answers.count == 1)
  }

  @Test(
    "what is no name or no address is refused",
    arguments: [
      ("", "1.2.3.4", NameTable.Outcome.invalidName), (".", "1.2.3.4", .invalidName),
      ("a..b", "1.2.3.4", .invalidName), ("a", "", .invalidAddress),
      ("a", "1.2.3", .invalidAddress),
      ("a", "::g", .invalidAddress),
    ])
  func refuses(_ name: String, _ address: String, _ expected: NameTable.Outcome) {
    var table = NameTable()
    #expect(table.publish(name, address: address) == expected)
    #expect(table.withdraw(name, address: address) == expected)
  }

  @Test("the table holds 65536 entries and no more; publishing again needs no room")
  func bound() {
    var table = NameTable()
    for index in 0..<NameTable.maximumEntries {
      _ = table.publish(
        "n\(index)", address: "10.\(index >> 16).\(index >> 8 & 255).\(index & 255)")
    }
    #expect(table.count == NameTable.maximumEntries)
    #expect(table.publish("more", address: "1.2.3.4") == .full)
    #expect(table.publish("n0", address: "10.0.0.0") == .done)
    #expect(table.withdraw("n0", address: nil) == .done)
    #expect(table.publish("more", address: "1.2.3.4") == .done)
  }
}
