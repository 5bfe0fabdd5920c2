// SPDX-License-Identifier: Apache-2.0
//
// Nameservers that are slow, refuse, complain of EDNS, or cut their answers.

import DNSMessage
import LibC
import LimaNetdSDK
import Platform
import Testing

@testable import HostDNSCore

@Suite(
  "Slow and failing nameservers (RFC 1035 7.2, RFC 6891 7, RFC 8914)", .serialized,
  .timeLimit(.minutes(5)))
struct FailingServerTests {
  @Test(
    "a server that needs longer than the time for each attempt gets through (RFC 1035 7.2)",
    .timeLimit(.minutes(1)), arguments: [1, 2])
  func slow(servers count: Int) throws {
    let host = try TestHost()
    var slow: TestServer?
    slow = try TestServer(host) { query, port in
      host.later(2500) { slow?.send([reply(query, .noError, [mail])], to: port) }
      return []
    }
    let other = try TestServer(host) { _, _ in [] }
    let addresses = [try #require(slow).address, other.address].prefix(count)
    let plugin = try makePlugin(
      host,
      ["servers": .array(addresses.map { .string($0) }), "timeout": 1, "attempts": 2])
    #expect(try host.answer(plugin, query("x.example", .mx))?.answers.map(\.data) == [mail])
    #expect(host.watchCount == 0)
    #expect(host.timerCount == 0)
  }

  @Test(
    "a failure without the question is one: the next server is asked at once",
    .timeLimit(.minutes(1)),
    arguments: [DNSResponseCode.refused, .serverFailure, .notImplemented, .formatError])
  func withoutQuestion(_ code: DNSResponseCode) throws {
    let host = try TestHost()
    let failing = try TestServer(host) { query, _ in
      [reply(query, code) { $0.questions = [] }]
    }
    let good = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let both = try makePlugin(host, servers(failing.address, good.address, timeout: 30))
    #expect(try host.answer(both, query("x.example", .mx))?.answers.count == 1)
    let alone = try makePlugin(host, servers(failing.address, timeout: 30))
    let answer = try #require(try host.answer(alone, query("x.example", .mx)))
    #expect(answer.responseCode == code)
    #expect(answer.questions.map(\.name.displayed) == ["x.example"])
  }

  @Test(
    "why a server refuses comes through, with the question or without it (RFC 8914)",
    .timeLimit(.minutes(1)), arguments: [true, false])
  func extendedError(withQuestion: Bool) throws {
    let error: [UInt8] = [0, 15, 0, 2, 0, 18]
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      [
        reply(query, .refused) {
          $0.edns = DNSEDNS(udpSize: 1232, options: error)
          if !withQuestion { $0.questions = [] }
        }
      ]
    }
    for options in [servers(server.address), [:]] as [JSONValue] {
      let plugin = try makePlugin(
        host, options, order: .system, servers: [try server.serverAddress]
      ) { _, _ in .tryAgain }
      for type in [DNSType.a, .https, .mx] {
        let message = try query("x.example", type, edns: DNSEDNS(udpSize: 1232))
        let answer = try #require(try host.answer(plugin, message))
        #expect(answer.responseCode == .refused, "\(type)")
        #expect(answer.edns?.options == error, "\(type)")
      }
    }
  }

  @Test("a SERVFAIL that is made here says why (RFC 8914 4)", .timeLimit(.minutes(1)))
  func reasons() throws {
    let host = try TestHost()
    let dead = try TestServer.deadAddress()
    let silent = try TestServer(host) { _, _ in [] }
    let answering = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let tryAgain: @Sendable (String, Bool) -> HostLookup.Outcome = { _, _ in .tryAgain }
    let plugins: [(String, HostResolver, DNSType, UInt16, String)] = [
      ("refused", try makePlugin(host, servers(dead)), .mx, 23, "\(dead): Connection refused"),
      ("refused", try makePlugin(host, servers(dead)), .a, 23, "\(dead): Connection refused"),
      ("none", try makePlugin(host, [:], servers: []), .mx, 22, "no nameserver to ask"),
      (
        "the system's only",
        try makePlugin(
          host, [:], servers: [try answering.serverAddress], resolver: tryAgain), .a, 0,
        "the host's resolver failed"
      ),
      ("silent", try makePlugin(host, servers(silent.address)), .mx, 22, "answered in time"),
    ]
    for (what, plugin, type, code, text) in plugins {
      let message = try query("x.example", type, edns: DNSEDNS(udpSize: 1232))
      let op = host.ask(plugin, message, within: what == "silent" ? 300 : 5000)
      #expect(host.run(plugin) { host.results[op] != nil }, "\(what)")
      let answer = try DNSMessage(parsing: try #require(host.results[op]).bytes)
      #expect(answer.responseCode == .serverFailure, "\(what)")
      let error = try #require(answer.edns?.extendedErrors.first, "\(what)")
      #expect(error.code == code && error.text.contains(text), "\(what): \(error)")
    }
    // Who does not know EDNS gets none.
    let plain = try host.answer(try makePlugin(host, servers(dead)), query("x.example", .mx))
    #expect(plain?.responseCode == .serverFailure && plain?.edns == nil)
  }

  @Test(
    "where one server refuses and another is silent, the refusal is told before the time is over",
    .timeLimit(.minutes(1)))
  func refusalBesideSilence() throws {
    let host = try TestHost()
    let silent = try TestServer(host) { _, _ in [] }
    let refusing = try TestServer(host) { query, _ in [reply(query, .refused)] }
    let plugin = try makePlugin(host, servers(silent.address, refusing.address))
    #expect(try host.answer(plugin, query("x.example", .mx))?.responseCode == .refused)
  }

  @Test("a lame server, which refers to others, is followed by the next", .timeLimit(.minutes(1)))
  func lame() throws {
    let host = try TestHost()
    let lame = try TestServer(host) { query, _ in
      [
        reply(query) {
          $0.header.recursionAvailable = false
          $0.authorities = [DNSRecord(name: .root, ttl: 60, data: .name(.ns, .root))]
        }
      ]
    }
    let good = try TestServer(host) { query, _ in [reply(query, .noError, [mail])] }
    let both = try makePlugin(host, servers(lame.address, good.address, timeout: 30))
    #expect(try host.answer(both, query("x.example", .mx))?.answers.count == 1)
    let alone = try makePlugin(host, servers(lame.address, timeout: 30))
    #expect(try host.answer(alone, query("x.example", .mx))?.authorities.count == 1)
  }

  @Test(
    "EDNS that a server does not know or not in this version is left out (RFC 6891 6.1.3, 7)",
    .timeLimit(.minutes(1)),
    arguments: [DNSResponseCode.formatError, .notImplemented, .badVersion], [true, false])
  func noEDNS(_ code: DNSResponseCode, overTCP: Bool) throws {
    let host = try TestHost()
    func answer(_ query: DNSMessage) -> [UInt8] {
      guard query.edns != nil else { return reply(query, .noError, [mail]) }
      return reply(query, code) {
        $0.edns =
          code == .badVersion ? DNSEDNS(udpSize: 512, extendedCode: 1) : nil
      }
    }
    let server = try TestServer(host, stream: { framed(answer($0)) }) { query, _ in
      overTCP ? [reply(query) { $0.header.isTruncated = true }] : [answer(query)]
    }
    let plugin = try makePlugin(host, servers(server.address, timeout: 30))
    let message = try query("x.example", .mx, edns: DNSEDNS(udpSize: 1232))
    #expect(try host.answer(plugin, message)?.answers.map(\.data) == [mail])
  }

  @Test(
    "an answer with TC is fetched over TCP wherever it is cut (RFC 2181 9)",
    .timeLimit(.minutes(1)), arguments: [1, 5, 11, 17, 30, 4060])
  func cut(_ octets: Int) throws {
    let host = try TestHost()
    let records = (0..<300).map { DNSRecordData.address(.v4(UInt32($0))) }
    let server = try TestServer(host, stream: { framed(reply($0, .noError, records)) }) {
      query, _ in
      let whole = reply(query, .noError, records) { $0.header.isTruncated = true }
      let question = 12 + query.questions[0].name.wire.count + 4
      return [Array(whole.prefix(question + octets))]
    }
    let plugin = try makePlugin(host, servers(server.address, timeout: 30))
    #expect(try host.answer(plugin, query("big.example", .a))?.answers.count == 300)
    #expect(server.connections == 1)
    plugin.status(1)
    #expect(host.written.contains("\"strangers\":0"))
  }

  @Test("a datagram longer than what is read of it is fetched over TCP", .timeLimit(.minutes(1)))
  func longDatagram() throws {
    let host = try TestHost()
    let records = (0..<400).map { DNSRecordData.address(.v4(UInt32($0))) }
    let server = try TestServer(host, stream: { framed(reply($0, .noError, records)) }) {
      query, _ in [reply(query, .noError, records)]
    }
    let plugin = try makePlugin(host, servers(server.address, timeout: 30))
    #expect(try host.answer(plugin, query("big.example", .a))?.answers.count == 400)
  }

  @Test("cut inside a record and not to be had over TCP, it goes back with TC and nothing broken")
  func cutWithoutTCP() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      [Array(reply(query, .noError, [mail]) { $0.header.isTruncated = true }.dropLast(2))]
    }
    let plugin = try makePlugin(host, servers(server.address))
    let answer = try #require(try host.answer(plugin, query("x.example", .mx)))
    #expect(answer.header.isTruncated)
    #expect(answer.answers.isEmpty)
    #expect(answer.questions.count == 1)
  }

  @Test("AD, CD and RD go to the server and come back, AA does not come through")
  func bits() throws {
    let host = try TestHost()
    let server = try TestServer(host) { query, _ in
      [
        reply(query, .noError, [mail]) {
          $0.header.authenticData = true
          $0.header.isAuthoritative = true
        }
      ]
    }
    let plugin = try makePlugin(host, servers(server.address))
    var message = try DNSMessage(parsing: query("x.example", .mx))
    message.header.authenticData = true
    message.header.checkingDisabled = true
    let answer = try #require(try host.answer(plugin, message.encoded()))
    #expect(answer.header.authenticData)
    #expect(answer.header.checkingDisabled)
    #expect(!answer.header.isAuthoritative)
    let seen = try #require(server.queries.first)
    #expect(seen.header.authenticData && seen.header.checkingDisabled)
    #expect(seen.header.recursionDesired)
  }
}
