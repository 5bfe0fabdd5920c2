// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Host
import HostProtocol
import Testing

@Suite("Owned names: hosts, aliases and zones of their owners", .timeLimit(.minutes(5)))
struct DNSOwnedNamesTests {
  private func fixture(_ sets: NameSet...) throws -> BrokerFixture {
    let fixture = BrokerFixture()
    for set in sets { try fixture.broker.set(set) }
    return fixture
  }

  private func texts(_ message: DNSMessage?) -> [String] {
    message?.answers.map { "\($0.name.displayed) \($0.data)" } ?? []
  }

  @Test("a set replaces its owner's last one, an empty one withdraws it, others stay")
  func owners() throws {
    let fixture = try fixture(
      NameSet(owner: "a", hosts: ["one.example": ["10.0.0.1"], "two.example": ["10.0.0.2"]]),
      NameSet(owner: "b", hosts: ["three.example": ["10.0.0.3", "fd00::3"]]))
    try fixture.broker.set(NameSet(owner: "a", hosts: ["Two.Example": ["10.0.0.9"]]))
    #expect(try fixture.ask(clientQuery("one.example")) != nil)
    #expect(
      texts(try fixture.immediate(clientQuery("two.example"))) == ["two.example 10.0.0.9"])
    #expect(
      texts(try fixture.immediate(clientQuery("THREE.example", .aaaa)))
        == ["THREE.example fd00::3"])
    #expect(
      texts(try fixture.immediate(clientQuery("9.0.0.10.in-addr.arpa", .ptr)))
        == ["9.0.0.10.in-addr.arpa Two.Example."])
    #expect(try fixture.ask(clientQuery("2.0.0.10.in-addr.arpa", .ptr)) != nil)
    try fixture.broker.set(NameSet(owner: "a"))
    #expect(try fixture.ask(clientQuery("two.example")) != nil)
    #expect(try fixture.immediate(clientQuery("three.example")) != nil)
  }

  @Test("of two owners of a name the last to come has all of it; the plugins' names come after")
  func precedence() throws {
    let fixture = try fixture(
      NameSet(owner: "a", hosts: ["host.lima.internal": ["10.0.0.1"]]),
      NameSet(owner: "b", hosts: ["host.lima.internal": ["fd00::2"]]))
    #expect(fixture.broker.publish("host.lima.internal", address: "192.168.5.2") == .done)
    let message = try clientQuery("host.lima.internal")
    #expect(try fixture.immediate(message)?.answers.isEmpty == true)
    try fixture.broker.set(NameSet(owner: "b"))
    #expect(texts(try fixture.immediate(message)) == ["host.lima.internal 10.0.0.1"])
    try fixture.broker.set(NameSet(owner: "a"))
    #expect(texts(try fixture.immediate(message)) == ["host.lima.internal 192.168.5.2"])
  }

  @Test("aliases are followed, the chain is in the answer (RFC 1034 3.6.2)")
  func aliases() throws {
    let fixture = try fixture(
      NameSet(
        owner: "a",
        hosts: [
          "c1.example": ["c2.example"], "c2.example": ["c3.example."], "c3.example": ["10.0.0.3"],
          "single": ["c3.example"],
        ]))
    #expect(
      texts(try fixture.immediate(clientQuery("C1.example"))) == [
        "C1.example c2.example.", "c2.example c3.example.", "c3.example 10.0.0.3",
      ])
    #expect(
      texts(try fixture.immediate(clientQuery("c1.example", .cname)))
        == ["c1.example c2.example."])
    // RFC 2308 2.2: NODATA at the end of a chain has the chain.
    #expect(
      texts(try fixture.immediate(clientQuery("c2.example", .mx))) == ["c2.example c3.example."])
    #expect(
      texts(try fixture.immediate(clientQuery("single"))) == [
        "single c3.example.", "c3.example 10.0.0.3",
      ])
  }

  @Test("cycles end in SERVFAIL (RFC 1034 3.6.2), and so do endless chains")
  func cycles() throws {
    var hosts = [
      "a.example": ["b.example"], "b.example": ["a.example"], "me.example": ["Me.Example"],
    ]
    for index in 0..<100 { hosts["l\(index).example"] = ["l\(index + 1).example"] }
    let fixture = try fixture(NameSet(owner: "a", hosts: hosts))
    for name in ["a.example", "me.example", "l0.example"] {
      #expect(try fixture.immediate(clientQuery(name))?.responseCode == .serverFailure)
    }
  }

  @Test("an alias to a name outside is asked for there, and the chain comes before its answer")
  func outside() throws {
    let fixture = try fixture(
      NameSet(
        owner: "a", hosts: ["db.example": ["alias.example"], "alias.example": ["db.corp.test"]]))
    let message = try clientQuery("DB.example", edns: DNSEDNS(udpSize: 1232)) {
      $0.header.checkingDisabled = true
    }
    for round in 0..<2 {
      let bytes: [UInt8]
      if round == 0 {
        bytes = try fixture.relayed(message) { asked in
          #expect(asked.questions[0].name.displayed == "db.corp.test")
          #expect(asked.header.checkingDisabled)
          #expect(asked.edns != nil)
          return pluginAnswer(asked)
        }
      } else {
        // What is kept is what the name outside said.
        bytes = try #require(try fixture.immediate(message)).encoded()
      }
      let answer = try DNSMessage(parsing: bytes)
      #expect(
        texts(answer) == [
          "DB.example alias.example.", "alias.example db.corp.test.", "db.corp.test 0.0.0.0",
        ])
      #expect(answer.questions[0].name.displayed == "DB.example")
      #expect(answer.header.id == 0xBEEF)
      #expect(!answer.header.isAuthoritative)
      #expect(answer.edns != nil)
    }
    // RFC 6604 3: the code is the last name's.
    let missing = try fixture.relayed(clientQuery("alias.example", .mx)) { asked in
      pluginAnswer(asked, count: 0) { $0.header.responseCode = .nameError }
    }
    let answer = try DNSMessage(parsing: missing)
    #expect(answer.responseCode == .nameError)
    #expect(texts(answer) == ["alias.example db.corp.test."])
  }

  @Test("in a zone: a record, else a pattern, else the default address, else NXDOMAIN")
  func zones() throws {
    typealias Record = NameZone.Record
    let fixture = try fixture(
      NameSet(
        owner: "gv",
        zones: [
          NameZone(
            name: "apps.test.",
            records: [
              Record(name: "api", address: "10.1.0.1"), Record(name: "API", address: "10.1.0.9"),
              Record(name: "", address: "10.1.0.2", pattern: "^worker-[0-9]+$"),
              Record(name: "six", address: "fd00::6"), Record(name: "", address: "10.1.0.3"),
            ], defaultAddress: "10.1.0.254"),
          NameZone(name: "corp.test", records: [Record(name: "x.y", address: "10.1.1.1")]),
          NameZone(name: "deep.apps.test"),
        ]))
    let expected: [(String, DNSType, DNSResponseCode, [String])] = [
      ("api.apps.test", .a, .noError, ["10.1.0.1"]), ("Api.Apps.Test", .a, .noError, ["10.1.0.1"]),
      ("worker-12.apps.test", .a, .noError, ["10.1.0.2"]),
      ("WORKER-3.apps.test", .a, .noError, ["10.1.0.2"]),
      ("worker-x.apps.test", .a, .noError, ["10.1.0.254"]),
      ("six.apps.test", .aaaa, .noError, ["fd00::6"]), ("six.apps.test", .a, .noError, []),
      ("apps.test", .a, .noError, ["10.1.0.3"]), ("a.b.apps.test", .a, .noError, ["10.1.0.254"]),
      ("api.apps.test", .mx, .noError, []), ("api.apps.test", .aaaa, .noError, []),
      // The longest suffix decides, and it has nothing at all.
      ("x.deep.apps.test", .a, .nameError, []), ("x.y.corp.test", .a, .noError, ["10.1.1.1"]),
      ("no.corp.test", .a, .nameError, []), ("no.corp.test", .https, .nameError, []),
      // RFC 8020 2: the zone itself, and what has a name below it.
      ("y.corp.test", .a, .noError, []), ("corp.test", .a, .noError, []),
      ("deep.apps.test", .mx, .noError, []),
    ]
    for (name, type, code, data) in expected {
      let answer = try #require(try fixture.immediate(clientQuery(name, type)), "\(name)")
      #expect(answer.responseCode == code, "\(name)")
      #expect(answer.answers.map { "\($0.data)" } == data, "\(name) \(type)")
    }
    #expect(try fixture.ask(clientQuery("xapps.example")) != nil)
    #expect(
      texts(try fixture.immediate(clientQuery("1.0.1.10.in-addr.arpa", .ptr)))
        == ["1.0.1.10.in-addr.arpa api.apps.test."])
  }

  @Test("a few hosts in a public top-level domain do not make the rest of it vanish")
  func topLevel() throws {
    let record = NameZone.Record(name: "x", address: "10.0.0.1")
    let fixture = try fixture(
      NameSet(
        owner: "a", hosts: ["app.dev": ["10.0.0.2"]],
        zones: [
          NameZone(name: "dev.", records: [record]), NameZone(name: "internal.", records: [record]),
        ]))
    #expect(texts(try fixture.immediate(clientQuery("x.dev"))) == ["x.dev 10.0.0.1"])
    #expect(texts(try fixture.immediate(clientQuery("app.dev"))) == ["app.dev 10.0.0.2"])
    #expect(try fixture.ask(clientQuery("go.dev")) != nil)
    // Lima's zone: a cloud's own names go on being resolved.
    #expect(try fixture.ask(clientQuery("metadata.google.internal")) != nil)
    #expect(texts(try fixture.immediate(clientQuery("x.internal"))) == ["x.internal 10.0.0.1"])
  }

  @Test("a pattern in a top-level domain owns what it matches, the others are asked for")
  func topLevelPattern() throws {
    let fixture = try fixture(
      NameSet(
        owner: "a",
        zones: [
          NameZone(
            name: "internal.",
            records: [NameZone.Record(name: "", address: "10.0.0.1", pattern: "^web[0-9]$")])
        ]))
    #expect(
      texts(try fixture.immediate(clientQuery("web1.internal"))) == ["web1.internal 10.0.0.1"])
    #expect(try fixture.ask(clientQuery("db.internal")) != nil)
  }

  @Test(
    "a guest's name that comes or goes leaves what is kept of other names, but not of those above it"
  )
  func guestsLeaveTheCache() throws {
    let fixture = BrokerFixture()
    let kept = ["kept.test", "below.vm.lan.test", "other.lan.test"]
    let concerned = ["lan.test", "168.192.in-addr.arpa", "15.5.168.192.in-addr.arpa"]
    /// Asks, and has it kept if it was not.
    func isKept(_ name: String) throws -> Bool {
      guard let asked = try fixture.ask(clientQuery(name)) else { return true }
      fixture.broker.complete(
        asked.lookup, answer: pluginAnswer(try DNSMessage(parsing: asked.message), count: 1),
        now: fixture.now)
      _ = fixture.effects()
      return false
    }
    for name in kept + concerned { #expect(try !isKept(name), "\(name)") }
    for name in kept + concerned { #expect(try isKept(name), "\(name)") }
    #expect(fixture.broker.publish("vm.lan.test", address: "192.168.5.15") == .done)
    for name in kept { #expect(try isKept(name), "\(name)") }
    for name in concerned.dropLast() { #expect(try !isKept(name), "\(name)") }
    #expect(fixture.broker.withdraw("vm.lan.test", address: nil) == .done)
    for name in kept { #expect(try isKept(name), "\(name)") }
    for name in concerned { #expect(try !isKept(name), "\(name)") }
  }

  @Test("what is above an owned name exists: NODATA, whatever is said elsewhere (RFC 8020 2)")
  func emptyNonTerminals() throws {
    let fixture = try fixture(
      NameSet(
        owner: "a", hosts: ["db.eu.corp.example": ["10.0.0.1"], "*.dev.wild.test": ["10.0.0.3"]],
        zones: [
          NameZone(
            name: "internal.", records: [NameZone.Record(name: "host.lima", address: "10.0.0.2")])
        ]))
    #expect(fixture.broker.publish("vm.lan.test", address: "192.168.5.15") == .done)
    for name in ["lima.internal", "internal", "LIMA.internal"] {
      for type in [DNSType.a, .aaaa, .https] {
        let answer = try #require(try fixture.immediate(clientQuery(name, type)), "\(name)")
        #expect(answer.responseCode == .noError && answer.answers.isEmpty)
      }
    }
    func asked(_ name: String, _ type: DNSType = .a, count: Int = 0) throws -> DNSMessage {
      try DNSMessage(
        parsing: fixture.relayed(clientQuery(name, type)) {
          pluginAnswer($0, count: count) {
            $0.header.responseCode = count == 0 ? .nameError : .noError
          }
        })
    }
    // Names that may have records elsewhere are asked for.
    for name in [
      "eu.corp.example", "corp.example", "example", "lan.test", "dev.wild.test", "wild.test",
      "0.0.10.in-addr.arpa",
      "5.168.192.in-addr.arpa", "168.192.in-addr.arpa",
    ] {
      let answer = try asked(name)
      #expect(answer.responseCode == .noError && answer.answers.isEmpty, "\(name)")
      // From what is kept, too.
      #expect(try fixture.immediate(clientQuery(name))?.responseCode ?? .noError == .noError)
    }
    #expect(try asked("corp.example", .mx, count: 1).answers.count == 1)
    for name in ["us.corp.example", "x.db.eu.corp.example", "9.168.192.in-addr.arpa"] {
      #expect(try asked(name).responseCode == .nameError, "\(name)")
    }
    // With the last name below it goes what is above.
    #expect(fixture.broker.withdraw("vm.lan.test", address: nil) == .done)
    #expect(try asked("lan.test").responseCode == .nameError)
    #expect(try asked("5.168.192.in-addr.arpa").responseCode == .nameError)
  }

  @Test("a guest cannot take the name of an instance, by neither address nor reverse lookup")
  func reserved() throws {
    let prod = "lima-prod.internal"
    // Up, without an address yet.
    let fixture = try fixture(NameSet(owner: "instance prod", hosts: [prod: []]))
    #expect(fixture.broker.publish(prod, address: "192.168.104.66") == .done)
    let name = try clientQuery(prod)
    let reverse = try clientQuery("66.104.168.192.in-addr.arpa", .ptr)
    func isNoData(_ answer: DNSMessage?) -> Bool {
      answer?.responseCode == .noError && answer?.answers.isEmpty == true
    }
    #expect(isNoData(try fixture.immediate(name)))
    #expect(try fixture.ask(reverse) != nil)
    try fixture.broker.set(NameSet(owner: "instance prod", hosts: [prod: ["192.168.104.3"]]))
    #expect(texts(try fixture.immediate(name)) == ["\(prod) 192.168.104.3"])
    #expect(try fixture.ask(reverse) != nil)
    // Lima itself says it by a zone.
    try fixture.broker.set(NameSet(owner: "instance prod"))
    #expect(texts(try fixture.immediate(name)) == ["\(prod) 192.168.104.66"])
    let record = NameZone.Record(name: "lima-prod", address: "192.168.104.4")
    try fixture.broker.set(
      NameSet(owner: "api", zones: [NameZone(name: "internal.", records: [record])]))
    #expect(texts(try fixture.immediate(name)) == ["\(prod) 192.168.104.4"])
    #expect(try fixture.ask(reverse) != nil)
    // The names that guests have by themselves go on beside it.
    #expect(fixture.broker.publish("lima-dev.internal", address: "192.168.104.9") == .done)
    #expect(
      texts(try fixture.immediate(clientQuery("lima-dev.internal")))
        == ["lima-dev.internal 192.168.104.9"])
  }

  @Test("an exact host goes before a zone, and an owner's zones may overlap another's")
  func overlap() throws {
    let fixture = try fixture(
      NameSet(owner: "old", zones: [NameZone(name: "z.test", defaultAddress: "10.0.0.1")]),
      NameSet(
        owner: "new", hosts: ["h.z.test": ["10.0.0.3"]],
        zones: [
          NameZone(name: "Z.test", records: [NameZone.Record(name: "r", address: "10.0.0.2")])
        ]))
    for (name, address) in [("r", "10.0.0.2"), ("h", "10.0.0.3"), ("other", "10.0.0.1")] {
      #expect(
        texts(try fixture.immediate(clientQuery("\(name).z.test")))
          == ["\(name).z.test \(address)"])
    }
  }

  @Test(
    "what cannot be is refused as a whole, and says why",
    arguments: [
      (NameSet(owner: "a", hosts: ["a..b": ["10.0.0.1"]]), "a..b"),
      (NameSet(owner: "a", hosts: ["a": ["10.0.0.1", "b"]]), "each has to be an address"),
      (NameSet(owner: "a", hosts: ["a": ["10.0.0.256"]]), "10.0.0.256"),
      (NameSet(owner: "a", hosts: ["a": [""]]), "neither an address nor a name"),
      (NameSet(owner: "a", zones: [NameZone(name: "")]), "is no DNS name"),
      (NameSet(owner: "a", zones: [NameZone(name: "z", defaultAddress: "x")]), "no IP address"),
      (
        NameSet(
          owner: "a",
          zones: [
            NameZone(
              name: "z",
              records: [NameZone.Record(name: "", address: "10.0.0.1", pattern: "(")])
          ]), "regular expression"
      ),
      (
        NameSet(
          owner: "a",
          zones: [
            NameZone(
              name: "z",
              records: [
                NameZone.Record(name: "", address: "10.0.0.1", pattern: "((a{60}){60}){60}")
              ])
          ]), "regular expression"
      ),
    ])
  func refused(_ set: NameSet, _ reason: String) throws {
    let fixture = try fixture(NameSet(owner: "a", hosts: ["keep.example": ["10.0.0.1"]]))
    let error = #expect(throws: HostError.self) { try fixture.broker.set(set) }
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    #expect(try fixture.immediate(clientQuery("keep.example")) != nil)
  }

  @Test("a zone's patterns have the classes that gvproxy's have, and no case")
  func dialect() throws {
    typealias Record = NameZone.Record
    let fixture = try fixture(
      NameSet(
        owner: "gv",
        zones: [
          NameZone(
            name: "internal",
            records: [
              Record(name: "", address: "10.1.0.1", pattern: #"^vm\d+$"#),
              Record(name: "", address: "10.1.0.2", pattern: #"^\w+-[[:digit:]]{2}\.db$"#),
            ])
        ]))
    for (name, address) in [
      ("vm12.internal", "10.1.0.1"), ("VM3.internal", "10.1.0.1"), ("a-01.DB.internal", "10.1.0.2"),
    ] {
      let answer = try #require(try fixture.immediate(clientQuery(name)))
      #expect(texts(answer) == ["\(name) \(address)"])
    }
    // Another name below `internal` is the resolver's.
    var isAsked = false
    _ = try fixture.relayed(clientQuery("vmd.internal")) {
      isAsked = true
      return pluginAnswer($0, count: 1)
    }
    #expect(isAsked)
  }

  @Test("the patterns of a zone are bounded together")
  func patternsTogether() throws {
    let fixture = BrokerFixture()
    let record = NameZone.Record(name: "", address: "10.0.0.1", pattern: "^(vm[a-z]{1,200}x)$")
    let zone = NameZone(name: "z", records: Array(repeating: record, count: 30))
    let error = #expect(throws: HostError.self) {
      try fixture.broker.set(NameSet(owner: "a", zones: [zone]))
    }
    #expect(error?.code == .limit)
  }

  @Test("the names of all owners together are bounded")
  func bound() throws {
    let fixture = BrokerFixture()
    func set(_ owner: String, _ count: Int) -> NameSet {
      var hosts: [String: [String]] = [:]
      for index in 0..<count { hosts["n\(index).example"] = ["10.0.0.1"] }
      return NameSet(owner: owner, hosts: hosts)
    }
    // 65,536 in all, 1,024 of each.
    for owner in 0..<64 { try fixture.broker.set(set("\(owner)", 1024)) }
    for (owner, count) in [("more", 1), ("0", 1025)] {
      let error = #expect(throws: HostError.self) { try fixture.broker.set(set(owner, count)) }
      #expect(error?.code == .limit)
    }
    try fixture.broker.set(set("0", 1024))
    try fixture.broker.set(set("0", 1000))
    try fixture.broker.set(set("more", 1))
  }

  @Test("without IPv6 AAAA of everything is NODATA, and nobody is asked")
  func noIPv6() throws {
    let fixture = try fixture(NameSet(owner: "a", hosts: ["a.example": ["fd00::1"]]))
    fixture.broker.policy = DNSPolicy(ipv6: false)
    for name in ["a.example", "other.example"] {
      let answer = try #require(try fixture.immediate(clientQuery(name, .aaaa)))
      #expect(answer.responseCode == .noError)
      #expect(answer.answers.isEmpty)
    }
    #expect(fixture.broker.counters.withheld == 2)
    #expect(try fixture.ask(clientQuery("other.example", .a)) != nil)
  }

  @Test("without IPv6 an owned name has no AAAA in an answer to ANY, nor of class ANY")
  func noIPv6InAny() throws {
    let fixture = try fixture(
      NameSet(
        owner: "a",
        hosts: [
          "both.example": ["10.0.0.1", "fd00::1"], "six.example": ["fd00::2"],
          "alias.example": ["six.example"], "*.wild.example": ["fd00::3", "10.0.0.3"],
        ], zones: [NameZone(name: "zone.test", defaultAddress: "fd00::4")]))
    #expect(fixture.broker.publish("vm.lan.test", address: "fd00::5") == .done)
    fixture.broker.policy = DNSPolicy(ipv6: false)
    for (name, data) in [
      ("both.example", ["both.example 10.0.0.1"]), ("six.example", []),
      ("a.wild.example", ["a.wild.example 10.0.0.3"]), ("x.zone.test", []), ("vm.lan.test", []),
    ] as [(String, [String])] {
      let answer = try #require(try fixture.immediate(clientQuery(name, .any)))
      #expect(answer.responseCode == .noError)
      #expect(texts(answer) == data)
      let authorities: [DNSType] = data.isEmpty ? [.soa] : []
      #expect(answer.authorities.map(\.type) == authorities, "\(name)")
    }
    for name in ["both.example", "six.example", "alias.example"] {
      let message = try clientQuery(name, .aaaa) { $0.questions[0].dnsClass = .any }
      let answer = try #require(try fixture.immediate(message))
      #expect(!answer.answers.contains { $0.type == .aaaa }, "\(name)")
    }
  }
}
