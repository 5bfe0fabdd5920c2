// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import LibC
import LimaNetdSDK
import Platform
import PluginAPI
import Testing

@testable import HostDNSCore

func query(
  _ name: String, _ type: DNSType, id: UInt16 = 0x1234, edns: DNSEDNS? = nil
) throws -> [UInt8] {
  let name = try #require(DNSName(name))
  return DNSMessage(query: DNSQuestion(name: name, type: type), id: id, edns: edns).encoded()
}

/// Servers that go before those of resolv.conf, as they are when it is read.
struct PreferredServers {
  let list: () -> [ServerAddress]
}

func makePlugin(
  _ host: TestHost, _ options: JSONValue, order: HostsOrder = .system,
  servers: [ServerAddress]? = [], hosts: String = "/etc/hosts",
  preferred: PreferredServers? = nil,
  resolver: @escaping @Sendable (String, Bool) -> HostLookup.Outcome = { _, _ in .failed }
) throws -> HostResolver {
  // No file of this machine, lest a test asks somebody out there.
  var path = "/nonexistent/resolv.conf"
  if case .string(let text)? = options["resolvConf"] { path = text }
  let plugin = try HostResolver(
    host: host.context, config: DNSConfig(network: "test", options: Options(options)),
    files: HostFiles(
      resolvConf: path, hosts: hosts, fallback: servers, order: order,
      preferred: preferred?.list)
  ) { name, family, _ in
    switch family {
    case .v4: return resolver(name, false)
    case .v6: return resolver(name, true)
    case .any:
      let (v4, v6) = (resolver(name, false), resolver(name, true))
      guard case .found(let octets) = v6 else { return v4 == .noName ? v6 : v4 }
      if case .found(let more) = v4 { return .found(more + octets) }
      return v6
    }
  }
  try plugin.start()
  return plugin
}

func servers(_ addresses: String..., timeout: Int64 = 1, attempts: Int64 = 1) -> JSONValue {
  [
    "servers": .array(addresses.map { .string($0) }), "timeout": .integer(timeout),
    "attempts": .integer(attempts),
  ]
}

let mail = DNSRecordData.mx(preference: 10, exchange: .root)

@Suite("Forwarding (RFC 1035 7, 2181 5, 5452, 6891, 7766)", .serialized, .timeLimit(.minutes(5)))
struct ForwardingTests {
  @Test("a question goes to the server and its answer comes back with the client's id")
  func forwards() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let plugin = try makePlugin(host, servers(server.address))
    let answer = try #require(try host.answer(plugin, query("Example.com", .mx)))
    #expect(answer.header.id == 0x1234)
    #expect(answer.answers.map(\.data) == [mail])
    #expect(answer.answers.map(\.ttl) == [300])
    #expect(answer.questions[0].name.displayed == "Example.com")
    #expect(host.watchCount == 0)
    #expect(host.timerCount == 0)
  }

  @Test("with servers set, addresses are theirs, too")
  func serversForAddresses() throws {
    let host = try TestHost()
    let address = DNSRecordData.address(.v4(0xC000_0201))
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [address])] }
    let plugin = try makePlugin(host, servers(server.address))
    #expect(try host.answer(plugin, query("example.com", .a))?.answers.map(\.data) == [address])
  }

  @Test("resolver: forward asks the host's nameservers for addresses, and the system for nothing")
  func forwardsAll() throws {
    let host = try TestHost()
    let address = DNSRecordData.address(.v4(0xC000_0201))
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [address])] }
    let plugin = try makePlugin(
      host, ["resolver": "forward"], servers: [#require(ServerAddress(server.address))]
    ) { _, _ in .found([[192, 0, 2, 99]]) }
    #expect(try host.answer(plugin, query("printer", .a))?.answers.map(\.data) == [address])
    plugin.status(1)
    #expect(host.written.contains("\"threads\":0"))
  }

  @Test("NXDOMAIN and NODATA come back as they are, without a second server (RFC 2308 2)")
  func negative() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      [reply(query, query.questions[0].type == .mx ? .nameError : .noError)]
    }
    let other = try TestServer(host) { query, _ in [reply(query)] }
    let plugin = try makePlugin(host, servers(server.address, other.address))
    #expect(try host.answer(plugin, query("x.example", .mx))?.responseCode == .nameError)
    let noData = try #require(try host.answer(plugin, query("x.example", .txt)))
    #expect(noData.responseCode == .noError)
    #expect(noData.answers.isEmpty)
    #expect(other.datagrams == 0)
  }

  @Test("each attempt has a random port and a random id (RFC 5452 9.2)")
  func randomness() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query)] }
    let plugin = try makePlugin(host, servers(server.address))
    for index in 0..<24 { _ = try host.answer(plugin, query("n\(index).example", .mx)) }
    #expect(Set(server.ports).count > 16)
    #expect(Set(server.queries.map(\.header.id)).count > 16)
    #expect(server.queries.filter { $0.header.id == 0x1234 }.count < 2)
  }

  @Test("an answer with another id or question is ignored, the right one taken (RFC 5452 9.1)")
  func liars() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      [
        reply(query, .nameError) { $0.header.id &+= 1 },
        reply(query, .nameError) { $0.questions[0].name = .root },
        reply(query, .nameError) { $0.questions[0].type = .txt },
        reply(query, .nameError) { $0.questions[0].dnsClass = .chaos },
        reply(query, .nameError) { $0.header.isResponse = false },
        reply(query, .nameError) { $0.questions = [] },
        [1, 2, 3],
        reply(query, .noError, [mail]),
      ]
    }
    let plugin = try makePlugin(host, servers(server.address))
    let answer = try #require(try host.answer(plugin, query("example.com", .mx)))
    #expect(answer.answers.count == 1)
    plugin.status(1)
    #expect(host.written.contains("\"strangers\":7"))
  }

  @Test("a server that only lies never gets through: SERVFAIL at the question's end")
  func onlyLies() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query) { $0.header.id &+= 1 }] }
    let plugin = try makePlugin(host, servers(server.address))
    #expect(try host.answer(plugin, query("x.example", .mx))?.responseCode == .serverFailure)
  }

  @Test("what comes from another port than the server's is never read")
  func otherSource() throws {
    let host = try TestHost()
    let stranger = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(stranger) }
    let server = try TestServer(host) { query, port in
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      let forged = reply(query, .nameError)
      withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          _ = sendto(
            stranger, forged, forged.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      return [reply(query, .noError, [mail])]
    }
    let plugin = try makePlugin(host, servers(server.address))
    #expect(try host.answer(plugin, query("x.example", .mx))?.responseCode == .noError)
  }

  @Test("a dead server is followed by the next at once")
  func deadServer() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    // Were its time-out waited for, the question's own time would be over.
    let plugin = try makePlugin(
      host, servers(TestServer.deadAddress(), server.address, timeout: 30))
    #expect(try host.answer(plugin, query("x.example", .mx))?.answers.count == 1)
  }

  @Test("with all servers dead the answer is SERVFAIL at once")
  func allDead() throws {
    let host = try TestHost()
    let plugin = try makePlugin(host, servers(TestServer.deadAddress(), timeout: 30, attempts: 3))
    let answer = try host.answer(plugin, query("x.example", .mx), within: 3_600_000)
    #expect(answer?.responseCode == .serverFailure)
  }

  @Test("a silent server costs its time-out, then the next is asked, and first from then on")
  func silentServer() throws {
    let host = try TestHost()
    let silent = try TestServer(host) { _, _ in [] }
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let plugin = try makePlugin(host, servers(silent.address, server.address))
    let start = MonotonicClock.now()
    #expect(try host.answer(plugin, query("x.example", .mx))?.answers.count == 1)
    #expect(MonotonicClock.now() - start >= 990_000_000)
    #expect(try host.answer(plugin, query("y.example", .mx))?.answers.count == 1)
    #expect(silent.datagrams == 1)
  }

  @Test("a slow question delays nobody else")
  func slowQuestion() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      query.questions[0].name.displayed.hasPrefix("slow") ? [] : [reply(query)]
    }
    let plugin = try makePlugin(host, servers(server.address, timeout: 30))
    let slow = host.ask(plugin, try query("slow.example", .mx))
    for index in 0..<50 {
      #expect(try host.answer(plugin, query("q\(index).example", .mx)) != nil)
    }
    #expect(host.results[slow] == nil)
    plugin.cancel(slow)
    #expect(host.watchCount == 0)
  }

  @Test(
    "SERVFAIL and REFUSED of one server are followed by the next; the last one's is passed on",
    arguments: [DNSResponseCode.serverFailure, .refused, .notImplemented])
  func failingServer(_ code: DNSResponseCode) throws {
    let host = try TestHost()
    let failing = try TestServer(host) { query, _ in [reply(query, code)] }
    let good = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let both = try makePlugin(host, servers(failing.address, good.address))
    #expect(try host.answer(both, query("x.example", .mx))?.answers.count == 1)
    let alone = try makePlugin(host, servers(failing.address))
    #expect(try host.answer(alone, query("x.example", .mx))?.responseCode == code)
  }

  @Test("a server that does not know EDNS is asked without (RFC 6891 7)", arguments: [true, false])
  func noEDNS(withQuestion: Bool) throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      guard query.edns != nil else { return [reply(query, .noError, [mail])] }
      return [
        reply(query, .formatError) {
          $0.edns = nil
          if !withQuestion { $0.questions = [] }
        }
      ]
    }
    let plugin = try makePlugin(host, servers(server.address))
    let message = try query("x.example", .mx, edns: DNSEDNS(udpSize: 1232))
    #expect(try host.answer(plugin, message)?.answers.count == 1)
    #expect(server.datagrams == 2)
  }

  @Test("DO goes upstream, the client's options do not (RFC 7873, 7871)")
  func options() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query)] }
    let plugin = try makePlugin(host, servers(server.address))
    let edns = DNSEDNS(udpSize: 4096, flags: 0x8000, options: [0, 10, 0, 2, 1, 2])
    _ = try host.answer(plugin, query("x.example", .mx, edns: edns))
    let seen = try #require(server.queries.first?.edns)
    #expect(seen.dnssecOK)
    #expect(seen.options.isEmpty)
    #expect(seen.udpSize == 1232)
  }

  @Test("a truncated answer is fetched over TCP (RFC 7766 5)", arguments: [1, 400, 4000])
  func truncated(count: Int) throws {
    let host = try TestHost()
    let records = (0..<count).map { DNSRecordData.address(.v4(UInt32($0))) }
    let server = try TestServer(host, stream: { framed(reply($0, .noError, records)) }) {
      query, _ in [reply(query) { $0.header.isTruncated = true }]
    }
    let plugin = try makePlugin(host, servers(server.address))
    let answer = try #require(try host.answer(plugin, query("big.example", .a)))
    #expect(answer.answers.count == count)
    #expect(!answer.header.isTruncated)
    #expect(server.connections == 1)
  }

  @Test(
    "TCP that fails leads to the next server; with none, the truncated answer is passed on",
    arguments: ["closed", "lying", "cut", "absent"])
  func brokenTCP(kind: String) throws {
    let host = try TestHost()
    let stream: ((DNSMessage) -> [UInt8])? =
      switch kind {
      case "closed": { _ in [] }
      case "lying": { query in framed(reply(query) { $0.header.id &+= 1 }) }
      case "cut": { _ in [0, 200, 1, 2, 3] }
      default: nil
      }
    let server = try TestServer(host, stream: stream) { query, _ in
      [reply(query, .noError, [mail]) { $0.header.isTruncated = true }]
    }
    let good = try TestServer(host) { query, _ in [reply(query, .noError, [mail, mail])] }
    let both = try makePlugin(host, servers(server.address, good.address))
    #expect(try host.answer(both, query("x.example", .mx))?.answers.count == 2)
    let alone = try makePlugin(host, servers(server.address))
    let answer = try #require(try host.answer(alone, query("x.example", .mx)))
    #expect(answer.header.isTruncated)
    #expect(host.watchCount == 0)
  }

  @Test("identical questions under way share one query; each gets its own id back")
  func sharing() throws {
    let host = try TestHost()
    var kept: [(DNSMessage, UInt16)] = []
    let server = try TestServer(host) { query, port in
      kept.append((query, port))
      return [reply(query, .noError, [mail])]
    }
    let plugin = try makePlugin(host, servers(server.address))
    let ops = try (0..<20).map {
      host.ask(plugin, try query($0 % 2 == 0 ? "x.example" : "X.Example", .mx, id: UInt16($0)))
    }
    #expect(host.run(plugin, until: { ops.allSatisfy { host.results[$0] != nil } }))
    #expect(kept.count == 1)
    for (index, op) in ops.enumerated() {
      let bytes = try #require(host.results[op]?.bytes)
      #expect(try DNSMessage(parsing: bytes).header.id == UInt16(index))
    }
  }

  @Test("1,000 questions at once are all answered, with bounded sockets")
  func manyAtOnce() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let plugin = try makePlugin(host, servers(server.address, attempts: 3))
    let ops = try (0..<1000).map { host.ask(plugin, try query("q\($0).example", .mx)) }
    #expect(host.watchCount <= 512)
    #expect(host.run(plugin, until: { host.results.count == ops.count }))
    let failed = host.results.values.filter {
      (try? DNSMessage(parsing: $0.bytes))?.answers.count != 1
    }
    // The socket buffer of the one server may overflow; what was lost is asked again.
    #expect(failed.count < 10)
    #expect(host.watchCount == 0)
    #expect(host.timerCount == 0)
    // Of 64 questions each: shared, but no port for long.
    #expect(Set(server.ports).count >= 1000 / 64)
  }

  @Test("questions that overlap share a socket, each with an id of its own (RFC 5452 9.2)")
  func sharedSocket() throws {
    let host = try TestHost()
    var kept: [DNSMessage] = []
    let server = try TestServer(host) { query, _ in
      kept.append(query)
      // The first of them is answered last, and a guess at its id in between changes nothing.
      guard kept.count == 40 else {
        return [reply(query, .nameError) { $0.questions[0].type = .txt }]
      }
      return kept.reversed().map { reply($0, .noError, [mail]) }
    }
    let plugin = try makePlugin(host, servers(server.address))
    let ops = try (0..<40).map {
      host.ask(plugin, try query("q\($0).example", .mx, id: UInt16($0)))
    }
    #expect(host.watchCount == 1)
    #expect(host.timerCount == 1)
    #expect(host.run(plugin, until: { host.results.count == 40 }))
    #expect(Set(kept.map(\.header.id)).count == 40)
    for (index, op) in ops.enumerated() {
      let message = try DNSMessage(parsing: #require(host.results[op]?.bytes))
      #expect(message.header.id == UInt16(index))
      #expect(message.questions[0].name.displayed == "q\(index).example")
      #expect(message.answers.count == 1)
    }
    #expect(host.watchCount == 0)
  }

  @Test("1,000 questions to a dead server end without deep recursion")
  func manyDead() throws {
    let host = try TestHost()
    let plugin = try makePlugin(host, servers(TestServer.deadAddress(), attempts: 2))
    for index in 0..<2000 { _ = host.ask(plugin, try query("q\(index).example", .mx)) }
    #expect(host.run(plugin, until: { host.results.count == 2000 }))
    #expect(host.watchCount == 0)
    #expect(host.timerCount == 0)
  }

  @Test("a cancelled question closes its socket unless another waits for the same")
  func cancel() throws {
    let host = try TestHost()
    let server = try TestServer(host) { _, _ in [] }
    let plugin = try makePlugin(host, servers(server.address))
    let first = host.ask(plugin, try query("x.example", .mx))
    let second = host.ask(plugin, try query("x.example", .mx))
    #expect(host.watchCount == 1)
    plugin.cancel(first)
    #expect(host.watchCount == 1)
    plugin.cancel(second)
    #expect(host.watchCount == 0)
    plugin.cancel(second)
    #expect(host.results.isEmpty)
  }
}
