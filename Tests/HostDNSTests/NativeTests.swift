// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import LibC
import LimaNetdSDK
import Platform
import PluginAPI
import Synchronization
import TestSupport
import Testing

@testable import HostDNSCore

/// A gate that lookups of a test wait at, and what they were asked.
final class Gate: Sendable {
  private let state = Mutex<(isOpen: Bool, names: [String])>((true, []))

  init(open: Bool = true) { state.withLock { $0.isOpen = open } }

  var names: [String] { state.withLock { $0.names } }

  func open() { state.withLock { $0.isOpen = true } }

  /// Called by workers.
  func pass(_ name: String) {
    state.withLock { $0.names.append(name) }
    _ = eventually { state.withLock { $0.isOpen } }
  }
}

@Suite("Native lookups (getaddrinfo)", .serialized, .timeLimit(.minutes(5)))
struct NativeTests {
  @Test("addresses come with the letters of the question, RA, and the TTL of the options")
  func found() throws {
    let host = try TestHost()
    let plugin = try makePlugin(host, ["ttl": 17]) { name, ipv6 in
      #expect(name == "WWW.example.com")
      return .found(ipv6 ? [Array(repeating: 1, count: 16)] : [[192, 0, 2, 1], [192, 0, 2, 2]])
    }
    let answer = try #require(try host.answer(plugin, query("WWW.example.com", .a, id: 9)))
    #expect(answer.header.id == 9)
    #expect(answer.header.recursionAvailable)
    #expect(answer.answers.map { "\($0.data)" } == ["192.0.2.1", "192.0.2.2"])
    #expect(answer.answers.allSatisfy { $0.ttl == 17 && $0.name.displayed == "WWW.example.com" })
    let second = try #require(try host.answer(plugin, query("WWW.example.com", .aaaa)))
    #expect(second.answers.map { "\($0.data)" } == ["101:101:101:101:101:101:101:101"])
  }

  @Test(
    "NXDOMAIN, NODATA and SERVFAIL are told apart (RFC 1035 4.1.1, RFC 2308 2)",
    arguments: [
      (HostLookup.Outcome.noName, DNSResponseCode.nameError), (.noData, .noError),
      (.tryAgain, .serverFailure), (.failed, .serverFailure),
    ])
  func failures(_ outcome: HostLookup.Outcome, _ code: DNSResponseCode) throws {
    let host = try TestHost()
    let plugin = try makePlugin(host, [:]) { _, _ in outcome }
    let answer = try #require(try host.answer(plugin, query("x.example", .a)))
    #expect(answer.responseCode == code)
    #expect(answer.answers.isEmpty)
  }

  @Test("with ipv6 off AAAA is NODATA and nobody is asked")
  func noIPv6() throws {
    let host = try TestHost()
    let gate = Gate()
    let plugin = try makePlugin(host, ["ipv6": false]) { name, _ in
      gate.pass(name)
      return .noName
    }
    let answer = try #require(try host.answer(plugin, query("x.example", .aaaa)))
    #expect(answer.responseCode == .noError)
    #expect(answer.answers.isEmpty)
    #expect(gate.names.isEmpty)
  }

  @Test("identical lookups under way are one, whatever their case; each keeps its own letters")
  func sharing() throws {
    let host = try TestHost()
    let gate = Gate(open: false)
    let plugin = try makePlugin(host, [:]) { name, _ in
      gate.pass(name)
      return .found([[192, 0, 2, 1]])
    }
    let names = (0..<40).map { $0 % 2 == 0 ? "x.example" : "X.EXAMPLE" }
    let ops = try names.map { host.ask(plugin, try query($0, .a)) }
    gate.open()
    #expect(host.run(plugin, until: { host.results.count == ops.count }))
    #expect(gate.names.count == 1)
    for (op, name) in zip(ops, names) {
      let bytes = try #require(host.results[op]?.bytes)
      #expect(try DNSMessage(parsing: bytes).questions[0].name.displayed == name)
    }
  }

  @Test("blocked lookups delay neither forwarding nor, while threads last, other lookups")
  func blocked() throws {
    let host = try TestHost()
    let gate = Gate(open: false)
    let plugin = try makePlugin(host, ["workers": 4]) { name, _ in
      if name.hasPrefix("slow") { gate.pass(name) }
      return .noData
    }
    for index in 0..<3 { _ = host.ask(plugin, try query("slow\(index).example", .a)) }
    // Answered while the gate is closed.
    for index in 0..<20 {
      #expect(try host.answer(plugin, query("q\(index).example", .a)) != nil)
    }
    gate.open()
    #expect(host.run(plugin, until: { host.results.count == 23 }))
  }

  @Test("beyond threads and queue the answer is SERVFAIL at once")
  func overload() throws {
    let host = try TestHost()
    let gate = Gate(open: false)
    let plugin = try makePlugin(host, ["workers": 1]) { name, _ in
      gate.pass(name)
      return .noData
    }
    for index in 0..<1200 { _ = host.ask(plugin, try query("q\(index).example", .a)) }
    #expect(host.results.count >= 1200 - 1024 - 1)
    let bytes = try #require(host.results.values.first?.bytes)
    #expect(try DNSMessage(parsing: bytes).responseCode == .serverFailure)
    gate.open()
    #expect(host.run(plugin, until: { host.results.count == 1200 }))
  }

  @Test("a cancelled lookup is never answered, and never begun when no thread had it yet")
  func cancel() throws {
    let host = try TestHost()
    let gate = Gate(open: false)
    let plugin = try makePlugin(host, ["workers": 1]) { name, _ in
      gate.pass(name)
      return .noData
    }
    let first = host.ask(plugin, try query("first.example", .a))
    let second = host.ask(plugin, try query("second.example", .a))
    let third = host.ask(plugin, try query("third.example", .a))
    #expect(eventually { !gate.names.isEmpty })
    plugin.cancel(first)
    plugin.cancel(second)
    gate.open()
    #expect(host.run(plugin, until: { host.results[third] != nil }))
    #expect(host.results.count == 1)
    #expect(gate.names == ["first.example", "third.example"])
  }

  @Test(
    "what getaddrinfo would misread goes to the nameservers, or without any is SERVFAIL",
    arguments: [
      "1.2.3.4", "127", "0x7f.1", "a\\.b.example", "a\\032b.example", "-x.example", "\\200.example",
      ".",
    ])
  func misread(name: String) throws {
    let host = try TestHost()
    let gate = Gate()
    let plugin = try makePlugin(host, ["resolvConf": "/nonexistent/resolv.conf"]) { name, _ in
      gate.pass(name)
      return .noData
    }
    #expect(try host.answer(plugin, query(name, .a))?.responseCode == .serverFailure)
    #expect(gate.names.isEmpty)
  }

  @Test("a thread that blocks does not hold up the end, and is not heard afterwards")
  func destroy() throws {
    let host = try TestHost()
    let gate = Gate(open: false)
    var plugin: HostResolver? = try makePlugin(host, [:]) { name, _ in
      gate.pass(name)
      return .noData
    }
    if let plugin { _ = host.ask(plugin, try query("x.example", .a)) }
    #expect(eventually { !gate.names.isEmpty })
    // The gate is closed until this is over.
    plugin = nil
    gate.open()
    quietly(milliseconds: 50)
    #expect(host.results.isEmpty)
    #expect(plugin == nil)
  }

  @Test("localhost resolves as on the host")
  func localhost() throws {
    let host = try TestHost()
    let plugin = try HostResolver(
      host: host.context, config: DNSConfig(network: "test", options: Options()))
    try plugin.start()
    let answer = try #require(try host.answer(plugin, query("LocalHost", .a)))
    #expect(answer.answers.map { "\($0.data)" } == ["127.0.0.1"])
  }
}
