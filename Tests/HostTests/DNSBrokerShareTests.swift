// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Host
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
    #expect(
      fixture.broker.query(try clientQuery("new.example"), over: .udp, now: fixture.now) == nil)
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
        try clientQuery("x.silent"), over: .udp, by: .client(1), now: fixture.now) == nil)
    fixture.broker.expire(now: fixture.now + 10_000_000_000)
    #expect(fixture.broker.pending == 0)
    #expect(
      fixture.broker.query(
        try clientQuery("x.silent"), over: .udp, by: .client(1), now: fixture.now) != nil)
  }

  @Test func `a question whose time is over is answered with what is known, or not`() throws {
    let fixture = try full()
    for name in ["host.lima.internal", "kept.example"] {
      let ticket = fixture.broker.query(
        try clientQuery(name), over: .udp, deadline: fixture.now, now: fixture.now)
      #expect(ticket != nil)
    }
    let empty = BrokerFixture()
    let message = try clientQuery("new.example")
    #expect(empty.broker.query(message, over: .udp, deadline: empty.now, now: empty.now) == nil)
    #expect(empty.effects().isEmpty && empty.broker.pending == 0)
  }
}
