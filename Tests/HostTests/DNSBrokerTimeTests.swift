// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Host
import Testing

@Suite("The DNS broker: deadlines, cancelling, stale tickets", .timeLimit(.minutes(5)))
struct DNSBrokerTimeTests {
  private let second: UInt64 = 1_000_000_000

  @Test("after five seconds the client gets SERVFAIL and the plugin a cancel")
  func deadline() throws {
    let fixture = BrokerFixture()
    let asked = try #require(try fixture.ask(clientQuery()))
    #expect(fixture.broker.nextDeadline == fixture.now + 5 * second)
    fixture.broker.expire(now: fixture.now + 5 * second - 1)
    #expect(fixture.effects().isEmpty)
    fixture.broker.expire(now: fixture.now + 5 * second)
    let effects = fixture.effects()
    #expect(effects.count == 2)
    guard case .answer(asked.ticket, let bytes) = effects.first else {
      Issue.record("no answer: \(effects)")
      return
    }
    #expect(try DNSMessage(parsing: bytes).responseCode == .serverFailure)
    #expect(effects.last == .cancel(asked.lookup))
    #expect(fixture.broker.nextDeadline == nil)
    #expect(fixture.broker.counters.timeouts == 1)
  }

  @Test("a client may ask for less time, not for more")
  func clientDeadline() throws {
    let fixture = BrokerFixture()
    let message = try clientQuery()
    _ = fixture.broker.query(message, over: .udp, deadline: fixture.now + second, now: fixture.now)
    #expect(fixture.broker.nextDeadline == fixture.now + second)
    let other = BrokerFixture()
    _ = other.broker.query(message, over: .udp, deadline: .max, now: other.now)
    #expect(other.broker.nextDeadline == other.now + 5 * second)
  }

  @Test("what comes after the end is ignored and counted, even when the slot is in use again")
  func late() throws {
    let fixture = BrokerFixture()
    let first = try #require(try fixture.ask(clientQuery()))
    fixture.broker.expire(now: fixture.now + 5 * second)
    _ = fixture.effects()
    let second = try #require(try fixture.ask(clientQuery("other.example")))
    #expect(first.ticket != second.ticket)
    fixture.broker.complete(
      first.lookup, answer: pluginAnswer(try DNSMessage(parsing: first.message)), now: fixture.now)
    fixture.broker.complete(0, answer: nil, now: fixture.now)
    fixture.broker.complete(.max, answer: nil, now: fixture.now)
    #expect(fixture.effects().isEmpty)
    #expect(fixture.broker.counters.late == 3)
    #expect(fixture.broker.pending == 1)
  }

  @Test("a cancelled question is cancelled at the plugin and never answered")
  func cancel() throws {
    let fixture = BrokerFixture()
    let asked = try #require(try fixture.ask(clientQuery()))
    fixture.broker.cancel(asked.ticket)
    #expect(fixture.effects() == [.cancel(asked.lookup)])
    fixture.broker.cancel(asked.ticket)
    fixture.broker.expire(now: .max)
    #expect(fixture.effects().isEmpty)
    #expect(fixture.broker.pending == 0)
  }

  @Test("what is cancelled before it was taken is not done at all")
  func cancelEarly() throws {
    let fixture = BrokerFixture()
    let ticket = try #require(
      fixture.broker.query(try clientQuery(), over: .udp, now: fixture.now))
    let rejected = try #require(
      fixture.broker.query([1, 2], over: .udp, now: fixture.now))
    fixture.broker.cancel(ticket)
    fixture.broker.cancel(rejected)
    #expect(fixture.effects().isEmpty)
    #expect(fixture.broker.pending == 0)
  }

  @Test("nothing is left after 10,000 questions that end in every way")
  func noLeak() throws {
    let fixture = BrokerFixture(maximumPending: 64)
    var time = fixture.now
    for round in 0..<10_000 {
      time += 100_000_000
      fixture.broker.expire(now: time)
      if let ticket = fixture.broker.query(try clientQuery(), over: .udp, now: time) {
        if round % 3 == 1 { fixture.broker.cancel(ticket) }
      }
      for case .ask(let lookup, _, _, _) in fixture.effects() where round % 3 == 0 {
        fixture.broker.complete(lookup, answer: nil, now: time)
      }
      _ = fixture.effects()
    }
    #expect(fixture.broker.pending <= 64)
    fixture.broker.expire(now: .max)
    #expect(fixture.broker.pending == 0)
    #expect(fixture.broker.counters.overload == 0)
  }
}
