// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Host
import HostProtocol
import Testing

private let second: UInt64 = 1_000_000_000

@Suite("The DNS broker: answers kept", .timeLimit(.minutes(5)))
struct DNSCacheTests {
  private let fixture: BrokerFixture

  init() { fixture = BrokerFixture() }

  private func answer(_ message: DNSMessage, ttl: UInt32 = 60) -> [UInt8] {
    pluginAnswer(message) { $0.answers[0].ttl = ttl }
  }

  /// A negative answer with the SOA that says for how long.
  private func negative(
    _ message: DNSMessage, _ code: DNSResponseCode, ttl: UInt32, minimum: UInt32
  ) -> [UInt8] {
    pluginAnswer(message, count: 0) {
      $0.header.responseCode = code
      let soa = DNSStartOfAuthority(
        primary: .root, mailbox: .root, serial: 1, refresh: 2, retry: 3, expire: 4,
        minimum: minimum)
      $0.authorities = [DNSRecord(name: .root, ttl: ttl, data: .soa(soa))]
    }
  }

  /// Whether the same question is asked of the plugin again `seconds` after the last.
  private func isKept(_ message: [UInt8], after seconds: UInt64) throws -> DNSMessage? {
    var later = fixture
    later.now += seconds * second
    let ticket = try #require(later.broker.query(message, over: .tcp, now: later.now))
    let effects = later.effects()
    if case .answer(ticket, let bytes)? = effects.first { return try DNSMessage(parsing: bytes) }
    later.broker.cancel(ticket)
    _ = later.effects()
    return nil
  }

  @Test("an answer is kept as long as its shortest TTL, and its TTLs go down (RFC 1035 3.2.1)")
  func timeToLive() throws {
    let message = try clientQuery()
    _ = try fixture.relayed(message) { asked in
      pluginAnswer(asked, count: 2) {
        $0.answers[0].ttl = 300
        $0.answers[1].ttl = 60
      }
    }
    #expect(try isKept(message, after: 0)?.answers.map(\.ttl) == [300, 60])
    #expect(try isKept(message, after: 59)?.answers.map(\.ttl) == [241, 1])
    #expect(try isKept(message, after: 60) == nil)
    #expect(fixture.broker.counters.cached == 2)
  }

  @Test("what is kept ages while the host sleeps; questions under way do not run out of time by it")
  func sleep() throws {
    let fixture = self.fixture
    let message = try clientQuery()
    _ = try fixture.relayed(message) { answer($0, ttl: 300) }
    #expect(try fixture.immediate(message)?.answers.first?.ttl == 300)
    let waits = try clientQuery("slow.example")
    let ticket = try #require(fixture.broker.query(waits, over: .udp, now: fixture.now))
    _ = fixture.effects()
    // 200 s of sleep: the clock of deadlines stands still.
    fixture.broker.slept = 200 * second
    #expect(try fixture.immediate(message)?.answers.first?.ttl == 100)
    #expect(fixture.broker.cachePage(now: fixture.now).entries.map(\.ttl) == [100])
    fixture.broker.expire(now: fixture.now)
    #expect(fixture.broker.pending == 1)
    fixture.broker.cancel(ticket)
    _ = fixture.effects()
    fixture.broker.slept = 300 * second
    #expect(fixture.broker.cachePage(now: fixture.now).entries.isEmpty)
    var isAsked = false
    _ = try fixture.relayed(message) {
      isAsked = true
      return answer($0, ttl: 300)
    }
    #expect(isAsked)
  }

  @Test("each client gets its own id, letters, flags, OPT and size of what is kept")
  func clients() throws {
    _ = try fixture.relayed(clientQuery()) { pluginAnswer($0, count: 100) }
    let other = try clientQuery("WWW.Example.COM", edns: DNSEDNS(udpSize: 4096)) {
      $0.header.id = 77
    }
    let answer = try #require(try fixture.immediate(other))
    #expect(answer.header.id == 77)
    #expect(answer.questions[0].name.displayed == "WWW.Example.COM")
    #expect(answer.answers[0].name.displayed == "WWW.Example.COM")
    #expect(answer.answers.count == 100)
    #expect(answer.edns?.udpSize == 1232)
    let small = try #require(try fixture.immediate(clientQuery()))
    #expect(small.header.isTruncated)
    #expect(small.answers.isEmpty)
    #expect(small.edns == nil)
    #expect(try fixture.immediate(clientQuery(), .tcp)?.answers.count == 100)
  }

  @Test(
    "negative answers are kept as long as the SOA says, told so, and not at all without (RFC 2308 5)",
    arguments: [DNSResponseCode.nameError, .noError])
  func negativeAnswers(_ code: DNSResponseCode) throws {
    let message = try clientQuery()
    _ = try fixture.relayed(message) { negative($0, code, ttl: 900, minimum: 30) }
    let kept = try #require(try isKept(message, after: 10))
    #expect(kept.responseCode == code)
    #expect(kept.authorities.map(\.ttl) == [20])
    #expect(try isKept(message, after: 30) == nil)
    let bare = try clientQuery("bare.example")
    _ = try fixture.relayed(bare) { asked in
      pluginAnswer(asked, count: 0) { $0.header.responseCode = code }
    }
    #expect(try isKept(bare, after: 0) == nil)
  }

  @Test("a negative answer is kept for three hours at most, a positive one for a day")
  func bounds() throws {
    let message = try clientQuery()
    _ = try fixture.relayed(message) { negative($0, .nameError, ttl: 900_000, minimum: 900_000) }
    #expect(try isKept(message, after: 10_799) != nil)
    #expect(try isKept(message, after: 10_800) == nil)
    let other = try clientQuery("day.example")
    _ = try fixture.relayed(other) { answer($0, ttl: 900_000) }
    #expect(try isKept(other, after: 86_399) != nil)
    #expect(try isKept(other, after: 86_400) == nil)
  }

  @Test(
    "failures, truncated answers, referrals and TTLs of 0 are not kept",
    arguments: 0..<5)
  func notKept(_ kind: Int) throws {
    let message = try clientQuery()
    _ = try fixture.relayed(message, .tcp) { asked in
      switch kind {
      case 0: pluginAnswer(asked) { $0.header.responseCode = .serverFailure }
      case 1: pluginAnswer(asked) { $0.header.isTruncated = true }
      case 2: answer(asked, ttl: 0)
      case 3:
        pluginAnswer(asked, count: 0) {
          $0.authorities = [DNSRecord(name: .root, ttl: 60, data: .name(.ns, .root))]
        }
      default: nil
      }
    }
    #expect(try isKept(message, after: 0) == nil)
  }

  @Test("CD, DO and AD make other questions; RD does not, but nothing is kept without it")
  func bits() throws {
    let message = try clientQuery()
    let plain = try clientQuery { $0.header.recursionDesired = false }
    _ = try fixture.relayed(plain) { answer($0) }
    #expect(try isKept(plain, after: 0) == nil)
    _ = try fixture.relayed(message) { answer($0) }
    #expect(try isKept(plain, after: 0) != nil)
    for other in [
      try clientQuery { $0.header.checkingDisabled = true },
      try clientQuery { $0.header.authenticData = true },
      try clientQuery(edns: DNSEDNS(udpSize: 1232, flags: 0x8000)), try clientQuery(type: .aaaa),
    ] {
      #expect(try isKept(other, after: 0) == nil)
    }
  }

  private func clientQuery(
    _ name: String = "www.example.com", type: DNSType = .a, edns: DNSEDNS? = nil,
    change: (inout DNSMessage) -> Void = { _ in }
  ) throws -> [UInt8] {
    try HostTests.clientQuery(name, type, edns: edns, change: change)
  }

  @Test("AD goes only to those who understand it (RFC 6840 5.8)")
  func authenticData() throws {
    let set: (DNSMessage) -> [UInt8] = { asked in
      pluginAnswer(asked) { $0.header.authenticData = true }
    }
    let bytes = try fixture.relayed(clientQuery(), .udp, set)
    #expect(try !DNSMessage(parsing: bytes).header.authenticData)
    let asked = try fixture.relayed(clientQuery { $0.header.authenticData = true }, .udp, set)
    #expect(try DNSMessage(parsing: asked).header.authenticData)
  }

  @Test("one name is forgotten, or it and those below, and the others stay")
  func flushOfNames() throws {
    let names = ["example.com", "www.example.com", "a.www.EXAMPLE.com", "notexample.com"]
    for name in names { _ = try fixture.relayed(try clientQuery(name)) { self.answer($0) } }
    // Of one name there may be several answers: for those who ask for DNSSEC's records.
    let secure = DNSEDNS(udpSize: 1232, flags: 0x8000)
    _ = try fixture.relayed(try clientQuery("example.com", edns: secure)) { self.answer($0) }
    func kept() -> [String] {
      fixture.broker.cachePage(now: fixture.now).entries.map(\.name).sorted()
    }
    #expect(kept().count == 5)
    let one = DNSCacheNames(name: try #require(DNSName("EXAMPLE.com")), below: false)
    let below = DNSCacheNames(name: try #require(DNSName("www.example.com")), below: true)
    #expect(fixture.broker.cachePage(one, now: fixture.now).entries.count == 2)
    #expect(
      fixture.broker.cachePage(below, now: fixture.now).entries.map(\.name).sorted()
        == ["a.www.example.com", "www.example.com"])
    #expect(fixture.broker.flushCache(one) == 2)
    #expect(kept() == ["a.www.example.com", "notexample.com", "www.example.com"])
    #expect(fixture.broker.flushCache(below) == 2)
    #expect(kept() == ["notexample.com"])
    #expect(fixture.broker.flushCache(one) == 0)
    #expect(fixture.broker.flushCache(nil) == 1)
  }

  @Test("a flush forgets all, what is under way included; so do names that come")
  func flush() throws {
    let message = try clientQuery()
    _ = try fixture.relayed(message) { answer($0) }
    fixture.broker.flushCache()
    let asked = try #require(try fixture.ask(message))
    fixture.broker.flushCache()
    fixture.broker.complete(
      asked.lookup, answer: answer(try DNSMessage(parsing: asked.message)), now: fixture.now)
    _ = fixture.effects()
    #expect(try isKept(message, after: 0) == nil)
    _ = try fixture.relayed(message) { answer($0) }
    try fixture.broker.set(NameSet(owner: "x", hosts: ["www.example.com": ["10.0.0.1"]]))
    #expect(try fixture.immediate(message)?.answers.map { "\($0.data)" } == ["10.0.0.1"])
    try fixture.broker.set(NameSet(owner: "x"))
    #expect(try isKept(message, after: 0) == nil)
  }

  @Test("the cache keeps to its bounds, and hot names outlive a sweep of others")
  func eviction() throws {
    var limits = DNSBroker.Limits()
    limits.cacheEntries = 100
    let small = BrokerFixture(limits: limits)
    let hot = try clientQuery("hot.example")
    _ = try small.relayed(hot) { answer($0) }
    for index in 0..<1000 {
      _ = try small.relayed(clientQuery("n\(index).example")) { answer($0) }
      if index % 10 == 0 { #expect(try small.immediate(hot) != nil) }
    }
    let entries = small.broker.cachePage(now: small.now).entries
    #expect(entries.count == 100)
    #expect(entries.contains { $0.name == "hot.example" && $0.type == "A" && $0.answers == 1 })
    limits.cacheEntries = 16384
    limits.cacheOctets = 64 << 10
    let tight = BrokerFixture(limits: limits)
    for index in 0..<1000 {
      _ = try tight.relayed(clientQuery("n\(index).example")) { pluginAnswer($0, count: 20) }
    }
    let octets = tight.broker.cachePage(now: tight.now).entries.reduce(0) { $0 + $1.octets }
    #expect(octets < 64 << 10)
    #expect(octets > 10 << 10)
  }

  @Test func `a large cache is listed in parts, each entry once, and a part is not large`() throws {
    let large = BrokerFixture()
    for index in 0..<1700 { _ = try large.relayed(clientQuery("n\(index).example")) { answer($0) } }
    var names: [String] = []
    var from: Int? = 0
    var parts = 0
    while let place = from, parts < 100 {
      let page = large.broker.cachePage(from: place, now: large.now)
      #expect(page.entries.count <= 500)
      names += page.entries.map(\.name)
      from = page.next
      parts += 1
    }
    #expect(parts == 4 && names.count == 1700 && Set(names).count == 1700)
    for place in [-1, 1700, Int.max] {
      #expect(large.broker.cachePage(from: place, now: large.now).next == nil)
    }
  }
}

@Suite("The DNS broker: one lookup for all who ask the same", .timeLimit(.minutes(5)))
struct DNSSharingTests {
  @Test("identical questions share one lookup; each gets its own id and letters")
  func sharing() throws {
    let fixture = BrokerFixture()
    let names = ["a.example", "A.EXAMPLE", "a.Example"]
    var tickets: [DNSTicket] = []
    for (index, name) in names.enumerated() {
      let message = try clientQuery(name) { $0.header.id = UInt16(index) }
      tickets.append(try #require(fixture.broker.query(message, over: .udp, now: 1)))
    }
    let effects = fixture.effects()
    guard effects.count == 1, case .ask(let lookup, let asked, _, _) = effects[0] else {
      Issue.record("not one lookup: \(effects)")
      return
    }
    fixture.broker.cancel(tickets[1])
    #expect(fixture.effects().isEmpty)
    fixture.broker.complete(
      lookup, answer: pluginAnswer(try DNSMessage(parsing: asked)), now: 1)
    let answers = try fixture.effects().map { effect in
      guard case .answer(_, let bytes) = effect else { throw DNSParseError.truncated }
      return try DNSMessage(parsing: bytes)
    }
    #expect(answers.map(\.header.id) == [0, 2])
    #expect(answers.map { $0.questions[0].name.displayed } == ["a.example", "a.Example"])
    #expect(fixture.broker.counters.shared == 2)
    #expect(fixture.broker.pending == 0)
  }

  @Test("the plugin is told to stop when the last one who waits is gone, and not before")
  func lastOneOut() throws {
    let fixture = BrokerFixture()
    let first = try #require(try fixture.ask(clientQuery()))
    let second = try #require(fixture.broker.query(clientQuery(), over: .udp, now: fixture.now))
    fixture.broker.cancel(first.ticket)
    #expect(fixture.effects().isEmpty)
    fixture.broker.cancel(second)
    #expect(fixture.effects() == [.cancel(first.lookup)])
  }

  @Test("a deadline of one ends its own waiting only")
  func deadlines() throws {
    let fixture = BrokerFixture()
    let message = try clientQuery()
    let hasty = try #require(
      fixture.broker.query(
        message, over: .udp, deadline: fixture.now + second, now: fixture.now))
    let patient = try #require(fixture.broker.query(message, over: .udp, now: fixture.now))
    guard case .ask(let lookup, let asked, _, let deadline) = fixture.effects().first else {
      Issue.record("nobody was asked")
      return
    }
    #expect(deadline == fixture.now + 5 * second)
    fixture.broker.expire(now: fixture.now + second)
    guard case .answer(hasty, _)? = fixture.effects().first else {
      Issue.record("no answer")
      return
    }
    fixture.broker.complete(
      lookup, answer: pluginAnswer(try DNSMessage(parsing: asked)), now: fixture.now)
    guard case .answer(patient, let bytes)? = fixture.effects().first else {
      Issue.record("no answer")
      return
    }
    #expect(try DNSMessage(parsing: bytes).answers.count == 1)
  }

  @Test("UDP and TCP do not share: what a plugin cut for one is no answer for the other")
  func transports() throws {
    let fixture = BrokerFixture()
    _ = try fixture.ask(clientQuery(), .udp)
    #expect(try fixture.ask(clientQuery(), .tcp) != nil)
  }
}
