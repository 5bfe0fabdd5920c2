// SPDX-License-Identifier: Apache-2.0
//
// The options of resolv.conf(5), and what happens when the file changes.

import DNSMessage
import LibC
import LimaNetdSDK
import Platform
import PluginAPI
import Testing

@testable import HostDNSCore

@Suite("Options and changes of resolv.conf", .serialized, .timeLimit(.minutes(5)))
struct ResolverOptionsTests {
  @Test(
    "options are read as the C library reads them: several lines, bounds, unknown ones",
    arguments: [
      ("options timeout:3 attempts:4", 3, 4), ("options timeout:99\noptions attempts:9", 30, 5),
      ("options timeout:0 attempts:x", 1, nil), ("options debug ndots:2 timeout:", nil, nil),
      ("optionsx timeout:3\n; options timeout:3\n#options timeout:3", nil, nil),
    ] as [(String, UInt32?, UInt32?)])
  func times(_ text: String, _ timeout: UInt32?, _ attempts: UInt32?) {
    let options = ResolvConf(parsing: Array(text.utf8)).options
    #expect(options.timeout == timeout)
    #expect(options.attempts == attempts)
    #expect(!options.rotates && !options.usesTCP && !options.usesEDNS && !options.noAAAA)
  }

  @Test("the plugin's own options go before those of resolv.conf, which go before two and two")
  func precedence() throws {
    let options = ResolvConf(parsing: Array("options timeout:7 attempts:1".utf8)).options
    let own = try HostDNSSettings(Options(["timeout": 4]))
    let plan = ForwardPlan(servers: [], own, options)
    #expect(plan.timeout == 4 && plan.attempts == 1)
    let plain = ForwardPlan(servers: [], try HostDNSSettings(Options()))
    #expect(plain.timeout == 2 && plain.attempts == 2)
  }

  /// A plugin whose servers are those given, and whose options are the file's.
  private func plugin(
    _ host: TestHost, _ file: TemporaryFile, _ servers: @escaping () -> [ServerAddress],
    order: HostsOrder = .standard,
    system: @escaping @Sendable (String, Bool) -> HostLookup.Outcome = { _, _ in .noName }
  ) throws -> HostResolver {
    try makePlugin(
      host, ["resolvConf": .string(file.path)], order: order,
      preferred: PreferredServers(list: servers), resolver: system)
  }

  private func change(_ file: TemporaryFile, _ text: String, _ plugin: HostResolver) throws {
    try file.write(text)
    plugin.onEvent(LND_EVENT_NETWORK_CHANGED)
  }

  @Test("`use-vc` is TCP from the start, for every type, and no longer once it is gone")
  func useVC() throws {
    let host = try TestHost()
    let server = try TestServer(host, stream: { framed(reply($0, .noError, [mail])) }) {
      query, _ in [reply(query, .noError, [mail])]
    }
    let address = try server.serverAddress
    let file = try TemporaryFile("options use-vc\n")
    let plugin = try plugin(host, file, { [address] })
    for type in [DNSType.a, .mx, .https, DNSType(rawValue: 65280)] {
      #expect(try host.answer(plugin, query("x.example", type))?.answers.count == 1)
    }
    #expect(server.connections == 4)
    #expect(server.datagrams == 0)
    try change(file, "options rotate\n", plugin)
    #expect(try host.answer(plugin, query("x.example", .a))?.answers.count == 1)
    #expect(server.connections == 4)
    #expect(server.datagrams == 1)
  }

  @Test("`edns0` is EDNS for clients without, and no longer once it is gone")
  func edns0() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let address = try server.serverAddress
    let file = try TemporaryFile("options edns0\n")
    let plugin = try plugin(host, file, { [address] })
    _ = try host.answer(plugin, query("x.example", .mx))
    #expect(server.queries.last?.edns?.udpSize == 1232)
    try change(file, "\n\n", plugin)
    _ = try host.answer(plugin, query("x.example", .mx))
    #expect(server.queries.last?.edns == nil)
  }

  @Test("`rotate` begins with another server each time, and no longer once it is gone")
  func rotate() throws {
    let host = try TestHost()
    let servers = try (0..<3).map { _ in
      try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    }
    let addresses = try servers.map { try $0.serverAddress }
    let file = try TemporaryFile("options rotate\n")
    let plugin = try plugin(host, file, { addresses })
    for index in 0..<6 { _ = try host.answer(plugin, query("n\(index).example", .mx)) }
    #expect(servers.map(\.datagrams) == [2, 2, 2])
    try change(file, "\n\n", plugin)
    for index in 0..<3 { _ = try host.answer(plugin, query("m\(index).example", .mx)) }
    #expect(servers.map(\.datagrams) == [5, 2, 2])
  }

  @Test("`no-aaaa` asks DNS for no IPv6 address, other sources it does, and no longer once gone")
  func noAAAA() throws {
    let host = try TestHost()
    let v6 = DNSRecordData.address(.v6(1, 1))
    let server = try TestServer(host) { query, _ in [reply(query, .noError, [v6])] }
    let address = try server.serverAddress
    let file = try TemporaryFile("options no-aaaa\n")
    let plain = try plugin(host, file, { [address] })
    let answer = try #require(try host.answer(plain, query("x.example", .aaaa)))
    #expect(answer.responseCode == .noError && answer.answers.isEmpty)
    #expect(answer.authorities.map(\.type) == [.soa])
    #expect(server.datagrams == 0)
    let system = try plugin(host, file, { [address] }, order: .system) { _, ipv6 in
      ipv6 ? .found([Array(repeating: 9, count: 16)]) : .noName
    }
    #expect(try host.answer(system, query("x.example", .aaaa))?.answers.count == 1)
    #expect(server.datagrams == 0)
    try change(file, "\n\n", plain)
    #expect(try host.answer(plain, query("x.example", .aaaa))?.answers.count == 1)
  }

  @Test("`timeout` is when the next server is asked", .timeLimit(.minutes(1)))
  func timeout() throws {
    let host = try TestHost()
    let silent = try TestServer(host) { _, _ in [] }
    let good = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let addresses = [try silent.serverAddress, try good.serverAddress]
    let file = try TemporaryFile("options timeout:1 attempts:1\n")
    let plugin = try plugin(host, file, { addresses })
    let start = MonotonicClock.now()
    #expect(try host.answer(plugin, query("x.example", .mx))?.answers.count == 1)
    #expect(MonotonicClock.now() - start >= 990_000_000)
    #expect(silent.datagrams == 1)
  }

  @Test(
    "with other servers nobody joins a question to the old ones, and the old question is asked anew",
    .timeLimit(.minutes(1)))
  func changedServers() throws {
    let host = try TestHost()
    let dead = try TestServer(host) { _, _ in [] }
    let good = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    var servers = [try dead.serverAddress]
    let file = try TemporaryFile("options timeout:30\n")
    let plugin = try plugin(host, file, { servers })
    let first = host.ask(plugin, try query("x.example", .mx))
    #expect(host.run(plugin, until: { dead.datagrams == 1 }))
    servers = [try good.serverAddress]
    try change(file, "options timeout:29\n", plugin)
    #expect(try host.answer(plugin, query("x.example", .mx))?.answers.count == 1)
    #expect(host.run(plugin, until: { host.results[first] != nil }))
    #expect(try DNSMessage(parsing: #require(host.results[first]?.bytes)).answers.count == 1)
    #expect(dead.datagrams == 1)
    #expect(host.watchCount == 0)
  }

  @Test("a server that helped is not asked once it is no longer listed", .timeLimit(.minutes(1)))
  func favourite() throws {
    let host = try TestHost()
    let dead = try TestServer.deadAddress()
    let helped = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let listed = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    var servers = [try #require(ServerAddress(dead)), try helped.serverAddress]
    let file = try TemporaryFile("\n")
    let plugin = try plugin(host, file, { servers })
    _ = try host.answer(plugin, query("a.example", .mx))
    #expect(helped.datagrams == 1)
    servers = [try listed.serverAddress, try helped.serverAddress]
    try change(file, "\n\n", plugin)
    _ = try host.answer(plugin, query("b.example", .mx))
    #expect(listed.datagrams == 1)
    #expect(helped.datagrams == 1)
    servers = [try listed.serverAddress]
    try change(file, "\n\n\n", plugin)
    _ = try host.answer(plugin, query("c.example", .mx))
    #expect(helped.datagrams == 1)
  }
}
