// SPDX-License-Identifier: Apache-2.0
//
// A zone whose servers are silent holds up itself, and nobody else.

import DNSMessage
import LibC
import LimaNetdSDK
import Platform
import PluginAPI
import Synchronization
import Testing

@testable import HostDNSCore

@Suite("Shares of the threads (nsswitch.conf)", .serialized, .timeLimit(.minutes(5)))
struct ShareTests {
  private let other = HostsOrder(parsing: Array("hosts: files mymachines dns".utf8))

  @Test(
    "60 questions to a silent zone leave threads to names only the system knows",
    .timeLimit(.minutes(1)))
  func silentZone() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      query.questions[0].name.displayed.hasSuffix("silent.test")
        ? [] : [reply(query, .nameError)]
    }
    let gate = Gate(open: false)
    let plugin = try makePlugin(
      host, [:], order: other, servers: [try server.serverAddress]
    ) { name, _ in
      if name.hasSuffix("silent.test") { gate.pass(name) }
      return name == "machine" ? .found([[10, 0, 0, 9]]) : .noName
    }
    for index in 0..<60 { _ = host.ask(plugin, try query("n\(index).silent.test", .a)) }
    let answer = try #require(try host.answer(plugin, query("machine", .a)))
    #expect(answer.answers.map { "\($0.data)" } == ["10.0.0.9"])
    #expect(gate.names.count <= 4)
    gate.open()
  }

  @Test(
    "where no thread has begun, the nameservers' answer counts", .timeLimit(.minutes(1)))
  func noThread() throws {
    let host = try TestHost()
    let address = DNSRecordData.address(.v4(0xC000_0201))
    let server = try TestServer(host) { query, _ in
      let name = query.questions[0].name.displayed
      if name.hasSuffix("silent.test") { return [] }
      let isThere = name != "no.example"
      return [reply(query, isThere ? .noError : .nameError, isThere ? [address] : [])]
    }
    let gate = Gate(open: false)
    let plugin = try makePlugin(
      host, ["workers": 1], order: other, servers: [try server.serverAddress]
    ) { name, _ in
      gate.pass(name)
      return .noName
    }
    _ = host.ask(plugin, try query("n.silent.test", .a))
    #expect(host.run(plugin, until: { gate.names.count == 1 }))
    let found = try #require(try host.answer(plugin, query("www.example", .a)))
    #expect(found.answers.map(\.data) == [address])
    #expect(found.answers.map(\.ttl) == [300])
    let missing = try #require(try host.answer(plugin, query("no.example", .a)))
    #expect(missing.responseCode == .nameError)
    #expect(try host.answer(plugin, query("no.example", .https))?.responseCode == .nameError)
    #expect(gate.names == ["n.silent.test"])
    gate.open()
  }

  @Test("a lookup that has begun is waited for, however long the nameservers have answered")
  func begun() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in [reply(query, .nameError)] }
    let gate = Gate(open: false)
    let plugin = try makePlugin(
      host, [:], order: other, servers: [try server.serverAddress]
    ) { name, _ in
      gate.pass(name)
      return .found([[10, 0, 0, 9]])
    }
    let op = host.ask(plugin, try query("machine.test", .a))
    #expect(!host.run(plugin, for: 300, until: { host.results[op] != nil }))
    gate.open()
    #expect(host.run(plugin, until: { host.results[op] != nil }))
    #expect(try DNSMessage(parsing: #require(host.results[op]?.bytes)).answers.count == 1)
  }

  @Test("zones take turns: the second's first question goes before the first's hundredth")
  func turns() throws {
    let host = try TestHost()
    let gate = Gate(open: false)
    let plugin = try makePlugin(host, ["workers": 2]) { name, _ in
      gate.pass(name)
      return .noData
    }
    for index in 0..<100 { _ = host.ask(plugin, try query("n\(index).a.test", .a)) }
    for index in 0..<3 { _ = host.ask(plugin, try query("n\(index).b.test", .a)) }
    #expect(host.run(plugin, until: { gate.names.count == 2 }))
    #expect(Set(gate.names) == ["n0.a.test", "n0.b.test"])
    gate.open()
    #expect(host.run(plugin, until: { host.results.count == 103 }))
  }

  @Test("a cancelled question leaves the line, whatever its zone, and all others are answered")
  func cancelled() throws {
    let host = try TestHost()
    let gate = Gate(open: false)
    let plugin = try makePlugin(host, ["workers": 1]) { name, _ in
      gate.pass(name)
      return .noData
    }
    for round in 0..<2000 {
      let op = host.ask(plugin, try query("n\(round).z\(round % 7).test", .a))
      if round > 0 { plugin.cancel(op) }
    }
    let last = host.ask(plugin, try query("last.test", .a))
    gate.open()
    #expect(host.run(plugin, until: { host.results[last] != nil }))
    #expect(host.results.count == 2)
    #expect(gate.names.allSatisfy { $0 == "n0.z0.test" || $0 == "last.test" })
  }

  @Test(
    "connections have shares, too: a zone that keeps them open leaves half of them",
    .timeLimit(.minutes(1)))
  func connections() throws {
    let host = try TestHost()
    let server = try TestServer(
      host,
      stream: { query in
        query.questions[0].name.displayed.hasSuffix("silent.test")
          ? [0] : framed(reply(query, .noError, [mail]))
      }
    ) { query, _ in [reply(query) { $0.header.isTruncated = true }] }
    let plugin = try makePlugin(host, servers(server.address, timeout: 30))
    for index in 0..<300 { _ = host.ask(plugin, try query("n\(index).silent.test", .mx)) }
    #expect(host.run(plugin, until: { server.connections >= 100 }))
    let answer = try #require(try host.answer(plugin, query("x.example", .mx)))
    #expect(answer.answers.count == 1)
    #expect(server.connections <= Forwarder.maximumSockets / 2 + 1)
  }
}
