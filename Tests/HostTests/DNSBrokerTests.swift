// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Host
import TestSupport
import Testing

/// A broker with what its owner does, taken step by step.
struct BrokerFixture {
  let broker: DNSBroker
  var now: UInt64 = 1_000_000_000

  init(maximumPending: Int = 1024) {
    var limits = DNSBroker.Limits()
    limits.maximumPending = maximumPending
    self.init(limits: limits)
  }

  init(limits: DNSBroker.Limits) { broker = DNSBroker(limits: limits) }

  func effects() -> [DNSEffect] {
    var effects: [DNSEffect] = []
    while let effect = broker.nextEffect() { effects.append(effect) }
    return effects
  }

  /// What the plugin was asked, for whom.
  struct Asked {
    let ticket: DNSTicket
    let lookup: DNSLookupID
    let message: [UInt8]
  }

  /// Asks; what the plugin was given, or nil when it was not asked.
  func ask(_ message: [UInt8], _ transport: DNSTransport = .udp) throws -> Asked? {
    let ticket = try #require(broker.query(message, over: transport, now: now))
    guard case .ask(let lookup, let message, transport, _) = effects().first else { return nil }
    return Asked(ticket: ticket, lookup: lookup, message: message)
  }

  /// What the client gets for a message that the plugin is not asked about:
  /// nil for silence.
  func immediate(_ message: [UInt8], _ transport: DNSTransport = .udp) throws -> DNSMessage? {
    let ticket = try #require(broker.query(message, over: transport, now: now))
    let effects = self.effects()
    #expect(effects.count == 1)
    if effects.first == .silence(ticket) { return nil }
    guard case .answer(ticket, let bytes) = effects.first else {
      Issue.record("the plugin was asked: \(effects)")
      return nil
    }
    return try DNSMessage(parsing: bytes)
  }

  /// What the client gets when the plugin says what `make` makes of its question.
  func relayed(
    _ message: [UInt8], _ transport: DNSTransport = .udp, _ make: (DNSMessage) -> [UInt8]?
  ) throws -> [UInt8] {
    let asked = try #require(try ask(message, transport))
    broker.complete(
      asked.lookup, answer: make(try DNSMessage(parsing: asked.message)), now: now)
    guard case .answer(asked.ticket, let bytes) = effects().first else {
      throw DNSParseError.truncated
    }
    return bytes
  }
}

func clientQuery(
  _ text: String = "www.example.com", _ type: DNSType = .a, edns: DNSEDNS? = nil,
  change: (inout DNSMessage) -> Void = { _ in }
) throws -> [UInt8] {
  let question = DNSQuestion(name: try #require(DNSName(text)), type: type)
  var message = DNSMessage(query: question, id: 0xBEEF, edns: edns)
  change(&message)
  return message.encoded()
}

/// A plugin's answer with `count` A records.
func pluginAnswer(
  _ query: DNSMessage, count: Int = 1, edns: DNSEDNS? = nil,
  change: (inout DNSMessage) -> Void = { _ in }
) -> [UInt8] {
  var header = query.header.reply(.noError)
  header.recursionAvailable = true
  var message = DNSMessage(
    header: header, questions: query.questions,
    answers: (0..<count).map {
      DNSRecord(name: query.questions[0].name, ttl: 60, data: .address(.v4(UInt32($0))))
    }, edns: edns)
  change(&message)
  return message.encoded()
}

@Suite("The DNS broker: questions", .timeLimit(.minutes(5)))
struct DNSBrokerQuestionTests {
  @Test(
    "what is no DNS query gets no answer",
    arguments: [
      ("nothing", []), ("eleven octets", Array(repeating: 0, count: 11)),
      ("an answer (QR set)", [1, 2, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]),
    ] as [(String, [UInt8])])
  func silence(_ title: String, _ message: [UInt8]) throws {
    let fixture = BrokerFixture()
    #expect(try fixture.immediate(message) == nil)
    #expect(fixture.broker.counters.ignored == 1)
  }

  @Test(
    "FORMERR for what cannot be read (RFC 1035 4.1.1)",
    arguments: [
      ("no question (RFC 9619)", [0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
      (
        "two questions (RFC 9619)",
        [0, 7, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1]
      ),
      ("a question cut short", [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0x61]),
      (
        "a question with a pointer into the header",
        [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 4, 0, 1, 0, 1]
      ),
      ("a record that is not there", [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1]),
      (
        "two OPTs (RFC 6891 6.1.1)",
        [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0, 1] + [0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0]
          + [0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0]
      ),
      (
        "OPT as the question's type (RFC 6891 6.1.1)",
        [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 41, 0, 1]
      ),
    ] as [(String, [UInt8])])
  func formatError(_ title: String, _ message: [UInt8]) throws {
    let answer = try #require(try BrokerFixture().immediate(message))
    #expect(answer.responseCode == .formatError)
    #expect(answer.header.id == 7)
    #expect(answer.header.isResponse)
    #expect(answer.header.recursionDesired)
  }

  @Test("NOTIMP for every other opcode, with the opcode (RFC 1035 4.1.1)", arguments: 1...15)
  func opcodes(_ opcode: UInt8) throws {
    let message = try clientQuery { $0.header.opcode = DNSOpcode(rawValue: opcode) }
    let answer = try #require(try BrokerFixture().immediate(message))
    #expect(answer.responseCode == .notImplemented)
    #expect(answer.header.opcode.rawValue == opcode)
  }

  @Test(
    "NOTIMP has an OPT for a message that has one, and none for another (RFC 6891 6.1.1)",
    arguments: 1...15)
  func opcodesWithEDNS(_ opcode: UInt8) throws {
    let options = DNSEDNS(udpSize: 4096, flags: 0x8000)
    for edns in [options, nil] {
      let message = try clientQuery(edns: edns) {
        $0.header.opcode = DNSOpcode(rawValue: opcode)
      }
      let answer = try #require(try BrokerFixture().immediate(message))
      #expect(answer.responseCode == .notImplemented)
      #expect((answer.edns != nil) == (edns != nil))
      #expect(answer.edns?.flags == edns?.flags)
    }
    // Cut inside of the OPT: nobody knows that there is one.
    let cut = try clientQuery(edns: options) { $0.header.opcode = DNSOpcode(rawValue: opcode) }
    let answer = try #require(try BrokerFixture().immediate(Array(cut.dropLast(3))))
    #expect(answer.responseCode == .notImplemented)
    #expect(answer.edns == nil)
  }

  @Test("BADVERS for an EDNS version of the future (RFC 6891 6.1.3)")
  func badVersion() throws {
    let message = try clientQuery(edns: DNSEDNS(udpSize: 1232, version: 1))
    let answer = try #require(try BrokerFixture().immediate(message))
    #expect(answer.responseCode == .badVersion)
    #expect(answer.edns?.version == 0)
  }

  @Test("REFUSED for zone transfers (RFC 5936 2.2.1)", arguments: [DNSType.axfr, .ixfr])
  func transfers(_ type: DNSType) throws {
    let answer = try #require(try BrokerFixture().immediate(clientQuery(".", type), .tcp))
    #expect(answer.responseCode == .refused)
  }

  @Test("the plugin gets the message with another id and no octets behind its end")
  func asked() throws {
    let fixture = BrokerFixture()
    let message = try clientQuery(edns: DNSEDNS(udpSize: 1232))
    let first = try #require(try fixture.ask(message + [1, 2, 3]))
    let second = try #require(try fixture.ask(message, .tcp))
    #expect(first.message.dropFirst(2) == message.dropFirst(2))
    #expect(first.message.prefix(2) != second.message.prefix(2))
    #expect(fixture.broker.pending == 2)
  }

  @Test("beyond the bound of questions under way nobody is asked")
  func bound() throws {
    let fixture = BrokerFixture(maximumPending: 3)
    let message = try clientQuery()
    let first = try #require(try fixture.ask(message))
    for name in ["b.example", "c.example"] { _ = try fixture.ask(clientQuery(name)) }
    #expect(try fixture.immediate(message)?.header.responseCode == .serverFailure)
    fixture.broker.complete(first.lookup, answer: nil, now: fixture.now)
    #expect(fixture.broker.query(message, over: .udp, now: fixture.now) != nil)
    #expect(fixture.broker.counters.overload == 1)
  }

  @Test("without a DNS plugin the answer is SERVFAIL at once")
  func noPlugin() throws {
    let fixture = BrokerFixture()
    fixture.broker.hasPlugin = false
    #expect(try fixture.immediate(clientQuery())?.responseCode == .serverFailure)
  }
}

@Suite("The DNS broker: answers", .timeLimit(.minutes(5)))
struct DNSBrokerAnswerTests {
  @Test("the client's id, flags and letters come back (RFC 1035 4.1.1, RFC 4343)")
  func restores() throws {
    let message = try clientQuery("WwW.eXample.COM") {
      $0.header.recursionDesired = false
      $0.header.checkingDisabled = true
    }
    let bytes = try BrokerFixture().relayed(message) { asked in
      let lower = asked.questions.map {
        DNSQuestion(name: $0.name.lowercased, type: $0.type, dnsClass: $0.dnsClass)
      }
      return pluginAnswer(asked) {
        $0.questions = lower
        $0.header.recursionDesired = true
        $0.header.checkingDisabled = false
      }
    }
    let answer = try DNSMessage(parsing: bytes)
    #expect(answer.header.id == 0xBEEF)
    #expect(!answer.header.recursionDesired)
    #expect(answer.header.checkingDisabled)
    #expect(answer.questions[0].name.displayed == "WwW.eXample.COM")
    #expect(answer.answers.count == 1)
  }

  @Test(
    "what does not answer the question becomes SERVFAIL and is counted (RFC 5452 9)",
    arguments: 0..<7)
  func mismatch(_ kind: Int) throws {
    let fixture = BrokerFixture()
    let bytes = try fixture.relayed(clientQuery()) { asked in
      pluginAnswer(asked) {
        switch kind {
        case 0: $0.header.id &+= 1
        case 1: $0.questions[0].name = .root
        case 2: $0.questions[0].type = .aaaa
        case 3: $0.questions[0].dnsClass = .chaos
        case 4: $0.questions = []
        case 5: $0.questions.append($0.questions[0])
        default: $0.header.opcode = DNSOpcode(rawValue: 4)
        }
      }
    }
    let answer = try DNSMessage(parsing: bytes)
    #expect(answer.responseCode == .serverFailure)
    #expect(answer.header.id == 0xBEEF)
    #expect(answer.questions.count == 1)
    #expect(fixture.broker.counters.mismatched == 1)
  }

  @Test("what is no DNS answer becomes SERVFAIL and is counted", arguments: 0..<4)
  func malformed(_ kind: Int) throws {
    let fixture = BrokerFixture()
    let bytes = try fixture.relayed(clientQuery()) { asked in
      switch kind {
      case 0: []
      case 1: [1, 2, 3]
      case 2: pluginAnswer(asked) { $0.header.isResponse = false }
      default: pluginAnswer(asked).dropLast()
      }
    }
    #expect(try DNSMessage(parsing: bytes).responseCode == .serverFailure)
    #expect(fixture.broker.counters.malformed == 1)
  }

  @Test("a plugin's failure becomes SERVFAIL, with an OPT for those who sent one")
  func failure() throws {
    let edns = DNSEDNS(udpSize: 4096, flags: 0x8000)
    let bytes = try BrokerFixture().relayed(clientQuery(edns: edns)) { _ in nil }
    let answer = try DNSMessage(parsing: bytes)
    #expect(answer.responseCode == .serverFailure)
    #expect(answer.edns?.dnssecOK == true)
    let plain = try BrokerFixture().relayed(clientQuery()) { _ in nil }
    #expect(try DNSMessage(parsing: plain).edns == nil)
  }

  @Test(
    "OPT goes to those who sent one and to nobody else (RFC 6891 6.1.1, 7)",
    arguments: [true, false], [true, false])
  func opt(client: Bool, plugin: Bool) throws {
    let message = try clientQuery(edns: client ? DNSEDNS(udpSize: 4096) : nil)
    let bytes = try BrokerFixture().relayed(message) { asked in
      pluginAnswer(asked, edns: plugin ? DNSEDNS(udpSize: 512, options: [0, 15, 0, 2, 0, 3]) : nil)
    }
    let answer = try DNSMessage(parsing: bytes)
    #expect(answer.answers.count == 1)
    #expect((answer.edns != nil) == client)
    #expect(answer.edns == nil || answer.edns?.udpSize == 1232)
    // Extended errors (RFC 8914) and the like pass.
    if client && plugin { #expect(answer.edns?.options == [0, 15, 0, 2, 0, 3]) }
  }

  @Test("records behind an OPT that is cut off go with it")
  func behindOPT() throws {
    let bytes = try BrokerFixture().relayed(clientQuery()) { asked in
      // OPT first, then an A record: moved behind by hand.
      var message = pluginAnswer(asked, edns: DNSEDNS(udpSize: 512))
      message += [0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]
      message[11] += 1
      return message
    }
    let answer = try DNSMessage(parsing: bytes)
    #expect(answer.edns == nil)
    #expect(answer.additionals.isEmpty)
    #expect(answer.answers.count == 1)
  }

  @Test("an RCODE beyond four bits is SERVFAIL for a client without EDNS")
  func extendedCode() throws {
    let bytes = try BrokerFixture().relayed(clientQuery()) { asked in
      pluginAnswer(asked, edns: DNSEDNS(udpSize: 512, extendedCode: 1))
    }
    #expect(try DNSMessage(parsing: bytes).responseCode == .serverFailure)
  }

  @Test(
    "UDP answers keep to 512 octets or the client's size, TC tells the rest (RFC 1035 4.2.1, RFC 6891 6.2.3, RFC 2181 9)",
    arguments: [nil, 0, 511, 512, 513, 1232, 4096, 65535] as [UInt16?], [1, 28, 29, 30, 200, 4000])
  func udpSize(_ size: UInt16?, _ count: Int) throws {
    let message = try clientQuery(edns: size.map { DNSEDNS(udpSize: $0) })
    var whole: [UInt8] = []
    let bytes = try BrokerFixture().relayed(message) { asked in
      whole = pluginAnswer(asked, count: count, edns: size.map { _ in DNSEDNS(udpSize: 1232) })
      return whole
    }
    let limit = max(Int(size ?? 512), 512)
    let answer = try DNSMessage(parsing: bytes)
    #expect(bytes.count <= min(limit, 65507))
    #expect(answer.header.isTruncated == (whole.count > limit))
    #expect(answer.answers.count == (whole.count > limit ? 0 : count))
    #expect(answer.questions.count == 1)
    #expect((answer.edns != nil) == (size != nil))
  }

  @Test("a TCP answer may have 65535 octets (RFC 1035 4.2.2, RFC 7766 8)")
  func tcp() throws {
    let bytes = try BrokerFixture().relayed(clientQuery(), .tcp) { pluginAnswer($0, count: 4093) }
    let answer = try DNSMessage(parsing: bytes)
    #expect(!answer.header.isTruncated)
    #expect(answer.answers.count == 4093)
  }

  @Test("100,000 mutated questions and answers: no trap, nothing kept, each answered once")
  func mutations() throws {
    let fixture = BrokerFixture()
    var random = SeededGenerator(seed: 7)
    let query = try clientQuery(edns: DNSEDNS(udpSize: 1232, options: [0, 10, 0, 2, 1, 2]))
    for _ in 0..<100_000 {
      let message = random.mutated(query)
      guard let ticket = fixture.broker.query(message, over: .udp, now: 1) else {
        Issue.record("refused")
        return
      }
      guard case .ask(let lookup, let asked, _, _) = fixture.broker.nextEffect() else {
        while fixture.broker.nextEffect() != nil {}
        continue
      }
      let parsed = (try? DNSMessage(parsing: asked)) ?? DNSMessage(header: DNSHeader())
      let answer = parsed.questions.isEmpty ? asked : pluginAnswer(parsed, edns: parsed.edns)
      fixture.broker.complete(lookup, answer: random.mutated(answer), now: 1)
      guard case .answer(ticket, let bytes) = fixture.broker.nextEffect() else {
        Issue.record("no answer")
        return
      }
      #expect(bytes.prefix(2) == message.prefix(2))
      #expect(bytes.count <= 1232 + 0xFFFF)
    }
    #expect(fixture.broker.pending == 0)
  }
}

extension SeededGenerator {
  /// As the mutations of the parser's property tests.
  fileprivate mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 0...3, using: &self) where !bytes.isEmpty {
      let index = Int.random(in: 0..<bytes.count, using: &self)
      switch Int.random(in: 0..<4, using: &self) {
      case 0: bytes[index] = UInt8.random(in: 0...255, using: &self)
      case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &self)
      case 2: bytes.removeLast(bytes.count - index)
      default: bytes += bytes[index...].prefix(40)
      }
    }
    return bytes
  }
}
