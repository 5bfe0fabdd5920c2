// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Host
import HostProtocol
import Testing

/// Questions that wait keep nobody else's from being answered.
@Suite(.timeLimit(.minutes(1)))
struct DNSBrokerShareTests {
  private func full(_ asker: DNSAsker = .plugin) throws -> BrokerFixture {
    let fixture = BrokerFixture(maximumPending: 8)
    _ = fixture.broker.publish("host.lima.internal", address: "192.168.5.2")
    _ = try fixture.relayed(clientQuery("kept.example")) { pluginAnswer($0) }
    for number in 0..<20 {
      _ = fixture.broker.query(
        try clientQuery("n\(number).silent"), over: .udp, by: asker, now: fixture.now)
    }
    _ = fixture.effects()
    return fixture
  }

  @Test func `what is owned or cached is answered however many questions wait`() throws {
    let fixture = try full()
    #expect(fixture.broker.pending == 8 && fixture.broker.counters.overload == 12)
    #expect(try fixture.immediate(clientQuery("host.lima.internal"))?.answers.count == 1)
    #expect(try fixture.immediate(clientQuery("kept.example"))?.answers.count == 1)
    #expect(fixture.broker.counters.owned == 1 && fixture.broker.counters.cached == 1)
  }

  @Test func `what finds no place is answered with SERVFAIL at once, and says why`() throws {
    let fixture = try full()
    for transport in [DNSTransport.udp, .tcp] {
      let message = try clientQuery("new.example", edns: DNSEDNS(udpSize: 1232))
      let answer = try #require(try fixture.immediate(message, transport))
      #expect(answer.header.responseCode == .serverFailure && answer.header.id == 0xBEEF)
      #expect(answer.questions == (try DNSMessage(parsing: message)).questions)
      #expect(
        answer.edns?.extendedErrors.map(\.description)
          == ["0 (Other Error): too many questions of this client wait for an answer"])
    }
    // Without EDNS there is no OPT to say it in.
    let plain = try #require(try fixture.immediate(clientQuery("new.example")))
    #expect(plain.header.responseCode == .serverFailure && plain.edns == nil)
    #expect(fixture.broker.pending == 8)
  }

  @Test func `aliases that lead in a circle are SERVFAIL, which says so`() throws {
    let fixture = BrokerFixture()
    try fixture.broker.set(
      NameSet(owner: "a", hosts: ["a.example": ["b.example"], "b.example": ["a.example"]]))
    let message = try clientQuery("a.example", edns: DNSEDNS(udpSize: 1232))
    let answer = try #require(try fixture.immediate(message))
    #expect(answer.responseCode == .serverFailure && answer.answers.isEmpty)
    #expect(
      answer.edns?.extendedErrors.map(\.description)
        == ["0 (Other Error): aliases of this network lead in a circle"])
  }

  @Test func `what waited in vain says why, too`() throws {
    let fixture = BrokerFixture()
    let message = try clientQuery("slow.example", edns: DNSEDNS(udpSize: 1232))
    _ = fixture.broker.query(message, over: .udp, now: fixture.now)
    _ = fixture.effects()
    fixture.broker.expire(now: fixture.now + 10_000_000_000)
    let answers = try fixture.effects().compactMap { effect in
      if case .answer(_, let bytes) = effect { try DNSMessage(parsing: bytes) } else { nil }
    }
    #expect(answers.map(\.header.responseCode) == [.serverFailure])
    #expect(answers[0].edns?.extendedErrors.map(\.code) == [22])
    fixture.broker.hasPlugin = false
    #expect(try fixture.immediate(message)?.edns?.extendedErrors.map(\.code) == [14])
  }

  @Test func `the host's own questions have a part that guests cannot take`() throws {
    let fixture = try full()
    let message = try clientQuery("new.example")
    #expect(fixture.broker.query(message, over: .tcp, by: .request, now: fixture.now) != nil)
    guard case .ask = fixture.effects().first else {
      Issue.record("the plugin was not asked")
      return
    }
  }

  @Test func `of a server's clients none takes all, and what ends makes room`() throws {
    let fixture = try full(.client(1))
    #expect(fixture.broker.pending == 7)
    let message = try clientQuery("new.example")
    let ticket = fixture.broker.query(message, over: .udp, by: .client(2), now: fixture.now)
    #expect(ticket != nil)
    #expect(
      fixture.broker.query(
        try clientQuery("x.silent"), over: .tcp, by: .client(1), now: fixture.now) == nil)
    // A connection is kept waiting; a datagram has nobody who keeps it.
    let last = try clientQuery("x.silent")
    let refused = try #require(
      fixture.broker.query(last, over: .udp, by: .client(1), now: fixture.now))
    #expect(fixture.effects().contains { if case .answer(refused, _) = $0 { true } else { false } })
    fixture.broker.expire(now: fixture.now + 10_000_000_000)
    #expect(fixture.broker.pending == 0)
    #expect(
      fixture.broker.query(
        try clientQuery("x.silent"), over: .udp, by: .client(1), now: fixture.now) != nil)
  }

  @Test func `a question whose time is over is answered with what is known, or SERVFAIL`() throws {
    let fixture = try full()
    for name in ["host.lima.internal", "kept.example"] {
      let ticket = fixture.broker.query(
        try clientQuery(name), over: .udp, deadline: fixture.now, now: fixture.now)
      #expect(ticket != nil)
    }
    let empty = BrokerFixture()
    let message = try clientQuery("new.example")
    let ticket = empty.broker.query(message, over: .udp, deadline: empty.now, now: empty.now)
    let effects = empty.effects()
    guard effects.count == 1, case .answer(ticket, let bytes) = effects[0] else {
      Issue.record("\(effects)")
      return
    }
    #expect(try DNSMessage(parsing: bytes).header.responseCode == .serverFailure)
    #expect(empty.broker.pending == 0)
  }
}
