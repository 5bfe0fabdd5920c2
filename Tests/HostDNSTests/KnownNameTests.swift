// SPDX-License-Identifier: Apache-2.0
//
// Names that the host knows by itself: what is said of them, and what never leaves.

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI
import Testing

@testable import HostDNSCore

@Suite("Names the host knows by itself", .serialized, .timeLimit(.minutes(5)))
struct KnownNameTests {
  private static let text = """
    10.0.0.5 db.corp sql.corp db
    2001:db8::6 six.corp
    192.0.2.3 3dprinter my_host
    10.0.0.7 app.localhost
    """
  /// A file that has names which no nameserver may hear of.
  private static let specialText = """
    127.0.0.1 localhost
    10.0.0.7 app.localhost
    10.0.0.8 a.invalid b.onion
    """

  /// A plugin whose nameserver knows a few MX and HTTPS records, and nothing else.
  private func ask(
    _ questions: [(String, DNSType)], order: HostsOrder = .standard, options: JSONValue = [:],
    hosts: String = KnownNameTests.text,
    system: @escaping @Sendable (String, Bool) -> HostLookup.Outcome = { _, _ in .noName }
  ) throws -> (answers: [DNSMessage], asked: [String]) {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      let name = query.questions[0].name.displayed.lowercased()
      if name == "sql.corp", query.questions[0].type == .mx {
        return [reply(query, .noError, [mail])]
      }
      return [reply(query, .nameError) { $0.header.isAuthoritative = true }]
    }
    let file = try TemporaryFile(hosts)
    let plugin = try makePlugin(
      host, options, order: order, servers: [try server.serverAddress], hosts: file.path,
      resolver: system)
    let answers = try questions.map {
      try #require(try host.answer(plugin, query($0.0, $0.1)), "\($0.0) \($0.1)")
    }
    return (answers, server.queries.map { $0.questions[0].name.displayed })
  }

  private func isNoData(_ message: DNSMessage) -> Bool {
    message.responseCode == .noError && message.answers.isEmpty
      && message.authorities.map(\.type) == [.soa]
  }

  @Test(
    "a name of the hosts file is never NXDOMAIN, whatever type is asked (RFC 2308 5, RFC 8020 2)",
    arguments: [
      "db.corp", "DB.Corp.", "sql.corp", "db", "six.corp", "3dprinter", "my_host", "corp",
    ])
  func types(_ name: String) throws {
    let types: [DNSType] = [
      .https, .svcb, .mx, .txt, .ptr, .cname, .ns, .soa, .srv, .caa, DNSType(rawValue: 65280),
    ]
    let (answers, _) = try ask(types.map { (name, $0) })
    for (answer, type) in zip(answers, types) {
      if name == "sql.corp", type == .mx {
        #expect(answer.answers.map(\.data) == [mail], "DNS knows more of it")
      } else {
        #expect(isNoData(answer), "\(name) \(type)")
      }
      #expect(!answer.header.isAuthoritative)
    }
  }

  @Test("its addresses are those of all its lines, its other family is NODATA, ANY has all")
  func addresses() throws {
    let (answers, asked) = try ask([
      ("db.corp", .a), ("db.corp", .aaaa), ("six.corp", .a), ("six.corp", .aaaa), ("DB", .any),
      ("3dprinter", .a), ("3DPrinter", .aaaa),
    ])
    let texts = answers.map { $0.answers.map { "\($0.data)" } }
    #expect(
      texts == [["10.0.0.5"], [], [], ["2001:db8::6"], ["10.0.0.5"], ["192.0.2.3"], []])
    for index in [1, 2, 6] { #expect(isNoData(answers[index])) }
    #expect(asked.isEmpty, "nothing of it leaves: a public record would lead past the address")
  }

  @Test("without `files` in nsswitch.conf the hosts file does not count")
  func noFiles() throws {
    let (answers, _) = try ask(
      [("db.corp", .a), ("db.corp", .https), ("5.0.0.10.in-addr.arpa", .ptr)],
      order: HostsOrder(parsing: Array("hosts: dns".utf8)))
    #expect(answers.allSatisfy { $0.responseCode == .nameError })
  }

  @Test("the reverse name of one of its addresses is there, too, for every type")
  func reverse() throws {
    let (answers, _) = try ask([
      ("5.0.0.10.in-addr.arpa", .ptr), ("5.0.0.10.in-addr.arpa", .txt),
      ("6.0.0.10.in-addr.arpa", .txt),
    ])
    #expect(answers[0].answers.map { "\($0.data)" } == ["db.corp."])
    #expect(isNoData(answers[1]))
    #expect(answers[2].responseCode == .nameError)
  }

  @Test("behind DNS the hosts file counts when DNS has nothing")
  func behind() throws {
    let order = HostsOrder(parsing: Array("hosts: dns files".utf8))
    let (answers, _) = try ask(
      [("db.corp", .a), ("db.corp", .https), ("no.corp", .a)], order: order)
    #expect(answers[0].answers.map { "\($0.data)" } == ["10.0.0.5"])
    #expect(isNoData(answers[1]))
    #expect(answers[2].responseCode == .nameError)
  }

  @Test(
    "a name that only the system's resolver knows has no other data, instead of not existing",
    arguments: ["hosts: files myhostname dns", "hosts: files mymachines dns", "hosts: dns wins"])
  func system(_ line: String) throws {
    let (answers, _) = try ask(
      [
        ("_gateway", .https), ("_gateway", .any), ("_gateway", .a), ("_gateway", .aaaa),
        ("nobody.example", .https),
      ], order: HostsOrder(parsing: Array(line.utf8))
    ) { name, ipv6 in name != "_gateway" ? .noName : ipv6 ? .noData : .found([[10, 0, 0, 1]]) }
    #expect(isNoData(answers[0]))
    #expect(answers[1].answers.map { "\($0.data)" } == ["10.0.0.1"])
    #expect(answers[2].answers.map { "\($0.data)" } == ["10.0.0.1"])
    #expect(isNoData(answers[3]))
    #expect(answers[4].responseCode == .nameError)
  }

  @Test(
    "localhost, .invalid and .onion do not leave, whatever servers are set (RFC 6761 6, RFC 7686)",
    arguments: [[:], ["resolver": "forward"], ["servers": ["127.0.0.1:1"]]] as [JSONValue])
  func special(_ options: JSONValue) throws {
    let (answers, asked) = try ask(
      [
        ("other.localhost", .a), ("LocalHost.", .aaaa), ("localhost", .https),
        ("x.localhost", .any), ("x.invalid", .a), ("invalid", .mx), ("abc.onion", .a),
        ("1.0.0.127.in-addr.arpa", .ptr), ("9.9.9.127.in-addr.arpa", .ptr),
        ("127.in-addr.arpa", .soa),
        (DNSName(reverseOf: .v6(0, 1)).displayed, .ptr),
      ], options: options)
    let texts = answers.map { $0.answers.map { "\($0.data)" } }
    #expect(
      texts == [
        ["127.0.0.1"], ["::1"], [], ["127.0.0.1", "::1"], [], [], [], ["localhost."], [], [],
        ["localhost."],
      ])
    #expect(isNoData(answers[2]))
    #expect(isNoData(answers[9]))
    for index in [4, 5, 6, 8] {
      #expect(answers[index].responseCode == .nameError)
      #expect(answers[index].authorities.map(\.type) == [.soa])
    }
    #expect(asked.isEmpty)
  }

  @Test("of another class they are refused and do not leave either; class ANY is as IN")
  func specialClasses() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let plugin = try makePlugin(host, [:], servers: [try server.serverAddress])
    for (dnsClass, code, count) in [
      (DNSClass.chaos, DNSResponseCode.refused, 0), (.none, .refused, 0), (.any, .noError, 1),
    ] {
      var message = try DNSMessage(parsing: query("localhost", .a))
      message.questions[0].dnsClass = dnsClass
      let answer = try #require(try host.answer(plugin, message.encoded()))
      #expect(answer.responseCode == code && answer.answers.count == count, "\(dnsClass)")
    }
    #expect(server.datagrams == 0)
  }

  @Test("the hosts file may say otherwise of a name below localhost, as on the host")
  func localhostInFile() throws {
    let (answers, _) = try ask([("app.localhost", .a), ("app.localhost", .aaaa)])
    #expect(answers[0].answers.map { "\($0.data)" } == ["10.0.0.7"])
    #expect(answers[1].answers.isEmpty)
  }

  @Test(
    "nobody is asked for what the hosts file does not say of them, wherever the file comes",
    arguments: ["hosts: files dns", "hosts: dns files", "hosts: mymachines files dns"])
  func specialInFile(_ line: String) throws {
    let names = ["localhost", "App.LocalHost", "a.invalid", "b.onion"]
    let types: [DNSType] = [
      .mx, .txt, .ns, .soa, .srv, .caa, .ptr, .https, DNSType(rawValue: 65280),
    ]
    let order = HostsOrder(parsing: Array(line.utf8))
    let (denied, asked) = try ask(
      names.flatMap { name in types.map { (name, $0) } }, order: order, hosts: Self.specialText)
    for answer in denied { #expect(isNoData(answer), "\(answer.questions)") }
    #expect(asked.isEmpty)
    let (found, others) = try ask(
      names.map { ($0, DNSType.a) }, order: order, hosts: Self.specialText)
    #expect(
      found.map { $0.answers.map { "\($0.data)" } } == [
        ["127.0.0.1"], ["10.0.0.7"], ["10.0.0.8"], ["10.0.0.8"],
      ])
    #expect(others.isEmpty)
  }

  @Test("nobody is asked about a loopback address that the hosts file has a name for")
  func loopbackReverse() throws {
    let (answers, asked) = try ask(
      [("1.0.0.127.in-addr.arpa", .ptr), ("1.0.0.127.in-addr.arpa", .txt)],
      hosts: Self.specialText)
    #expect(answers[0].answers.map { "\($0.data)" } == ["localhost."])
    #expect(isNoData(answers[1]))
    #expect(asked.isEmpty)
  }

  @Test(
    "names that a stub resolver knows nothing of are DNS's: .test, home.arpa, reverse zones",
    arguments: [
      "a.test", "router.home.arpa", "ipv4only.arpa", "1.0.0.10.in-addr.arpa", "a.example",
      "a.local",
    ])
  func ordinary(_ name: String) throws {
    #expect(try ask([(name, .a)]).asked == [name])
  }

  @Test("without IPv6 nothing tells of it: AAAA, ANY, HTTPS (RFC 9460 7.3)")
  func noIPv6() throws {
    let hint: [UInt8] = [0, 1, 0, 3, 2, 0x68, 0x32, 0, 6, 0, 16] + Array(repeating: 1, count: 16)
    let v6 = DNSRecordData.address(.v6(1, 1))
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      [
        reply(
          query, .noError,
          query.questions[0].type == .https
            ? [.service(.https, priority: 1, target: .root, parameters: hint)]
            : [.address(.v4(1)), v6]
        ) { $0.additionals = [DNSRecord(name: query.questions[0].name, ttl: 9, data: v6)] }
      ]
    }
    let plugin = try makePlugin(
      host, ["ipv6": false, "servers": [.string(server.address)]])
    let https = try #require(try host.answer(plugin, query("a.example", .https)))
    #expect(
      https.answers.map(\.data) == [
        .service(.https, priority: 1, target: .root, parameters: Array(hint[..<7]))
      ])
    #expect(https.additionals.isEmpty)
    let any = try #require(try host.answer(plugin, query("a.example", .any)))
    #expect(any.answers.map(\.type) == [.a])
    let denied = try #require(try host.answer(plugin, query("a.example", .aaaa)))
    #expect(isNoData(denied))
    let loopback = try #require(try host.answer(plugin, query("localhost", .any)))
    #expect(loopback.answers.map(\.type) == [.a])
    #expect(server.datagrams == 2)
  }

  @Test("what getaddrinfo says is there or not carries an SOA when it denies (RFC 2308 5)")
  func denials() throws {
    let (answers, _) = try ask([("x.example", .a), ("y.example", .a)], order: .system) { name, _ in
      name == "x.example" ? .noData : .found([[10, 0, 0, 1]])
    }
    #expect(isNoData(answers[0]))
    #expect(answers[1].authorities.isEmpty)
    let missing = try ask([("x.example", .aaaa)], order: .system).answers[0]
    #expect(missing.responseCode == .nameError)
  }

  @Test(
    "names whose labels begin with digits are host names, addresses in disguise are not",
    arguments: [
      ("3dprinter", true), ("a.3com", true), ("1and1", true), ("0xyz", true), ("1.2.3.4.5", true),
      ("1.2.3.x", true), ("127", false), ("0x7f.1", false), ("1.2.3.4", false), ("017.1", false),
      ("0x", false), ("10.0xFF", false),
    ])
  func digits(_ name: String, _ isHost: Bool) throws {
    #expect((try #require(DNSName(name)).nativeName != nil) == isHost)
  }
}

@Suite("Hosts without a nameserver", .serialized, .timeLimit(.minutes(5)))
struct FallbackTests {
  private func plugin(_ host: TestHost, _ path: String, _ fallback: [String]?) throws
    -> HostResolver
  {
    try makePlugin(
      host, ["resolvConf": .string(path)], order: .standard,
      servers: fallback?.compactMap { ServerAddress($0) })
  }

  @Test("the host's C library asks 127.0.0.1, and so do guests, and the log says so")
  func asTheHost() throws {
    let host = try TestHost()
    let file = try TemporaryFile("nameserver nonsense\n")
    let plugin = try plugin(host, file.path, nil)
    plugin.status(1)
    #expect(host.written.contains("\"servers\":[\"127.0.0.1\"]"))
    #expect(host.logged.count == 1)
    #expect(host.logged.last?.contains("asking 127.0.0.1, as the C library does") == true)
  }

  @Test("the option `fallback` says otherwise, and its use is told each time it begins and ends")
  func told() throws {
    let host = try TestHost()
    let file = try TemporaryFile("search example\n")
    let plugin = try plugin(host, file.path, ["192.0.2.1", "192.0.2.2"])
    #expect(host.logged.last?.contains("`fallback`, 192.0.2.1, 192.0.2.2") == true)
    plugin.onEvent(LND_EVENT_NETWORK_CHANGED)
    #expect(host.logged.count == 1)
    try file.write("nameserver 192.0.2.53\n")
    plugin.onEvent(LND_EVENT_NETWORK_CHANGED)
    #expect(host.logged.last?.contains("asking 192.0.2.53 from now on") == true)
    try file.write("\n")
    plugin.onEvent(LND_EVENT_NETWORK_CHANGED)
    #expect(host.logged.last?.contains("`fallback`") == true)
    #expect(host.logged.count == 3)
  }

  @Test("an empty `fallback` is nobody: SERVFAIL at once")
  func nobody() throws {
    let host = try TestHost()
    let plugin = try plugin(host, "/nonexistent", [])
    #expect(try host.answer(plugin, query("a.example", .a))?.responseCode == .serverFailure)
    #expect(host.logged.last?.contains("asking nobody") == true)
  }
}
