// SPDX-License-Identifier: Apache-2.0
//
// DNS64 (RFC 6147) for guests' questions to the network's DNS: for a name without IPv6 addresses it synthesizes them from
// the IPv4 addresses, with the NAT64 prefix; and it answers reverse lookups of such addresses. Questions of guests that
// validate themselves (CD bit) are not changed (§5.5).
//
//   AAAA ──► the network's DNS ──► addresses: unchanged (§5.1)
//                              └─► none ──► A ──► synthesized addresses (§5.1.7), or the first answer
//   PTR of an address in the prefix ──► PTR of the IPv4 address, after a CNAME (§5.3.1)
//
// Bounded by the number of questions that DNSIntercept has in progress. Thread: loop only.

import DNSMessage
import NetStack
import Wire

final class DNS64: DNSResolver {
  /// RFC 7050 §8.1, RFC 7050 §8.2.
  static let wellKnownName = "ipv4only.arpa"
  static let wellKnownAddresses = [IPAddress(192, 0, 0, 170), IPAddress(192, 0, 0, 171)]
  /// Egress rules are evaluated for a port number; whether an address is reached does not depend on which.
  static let anyPort: UInt16 = 80
  /// TTL, seconds, where the network's DNS gives none (§5.1.7), and of synthesized PTR answers.
  private static let timeToLive: UInt32 = 600
  /// Maximum length over UDP without EDNS (RFC 1035 §4.2.1).
  private static let shortLimit = 512
  private static let rrsig: UInt16 = 46

  enum Outcome {
    /// The answer is passed on as it is.
    case unchanged
    /// Another question was sent; its answer will follow.
    case waits
    /// The answer to the guest's question; nil: a failure.
    case answer(OperationID, [UInt8]?)
  }

  private struct Asked {
    var message: DNSMessage
    var transport: QuestionTransport
    var deadline: UInt64
    var questioner: Questioner?

    var question: DNSQuestion { message.questions[0] }
    /// Maximum length of the answer, bytes.
    var limit: Int {
      transport == .tcp ? 65535 : max(DNS64.shortLimit, Int(message.edns?.udpSize ?? 0))
    }
  }

  private enum Stage {
    /// The question for AAAA records.
    case own(Asked)
    /// The question for A records, after the AAAA question with the answer `first`.
    case other(Asked, of: OperationID, first: [UInt8]?)
    /// The PTR question of an IPv4 address, for the guest's question about a synthesized one.
    case reverse(Asked, DNSName)
  }

  private let inner: any DNSResolver
  private let nat64: NAT64
  /// Whether guests may reach an IPv4 address through NAT64.
  private let isReached: (IPAddress) -> Bool
  private var stages: [OperationID: Stage] = [:]
  /// From a guest's question to the present question for it.
  private var following: [OperationID: OperationID] = [:]

  init(_ inner: any DNSResolver, _ nat64: NAT64, isReached: @escaping (IPAddress) -> Bool) {
    self.inner = inner
    self.nat64 = nat64
    self.isReached = isReached
  }

  // MARK: Questions

  func query(_ message: ByteView, transport: QuestionTransport, deadline: UInt64) -> OperationID {
    ask(message, transport, deadline, nil)
  }

  func query(
    _ message: ByteView, transport: QuestionTransport, deadline: UInt64, by questioner: Questioner
  ) -> OperationID {
    ask(message, transport, deadline, questioner)
  }

  private func ask(
    _ message: ByteView, _ transport: QuestionTransport, _ deadline: UInt64,
    _ questioner: Questioner?
  ) -> OperationID {
    guard let parsed = try? DNSMessage(parsing: Array(message.buffer)), parsed.questions.count == 1,
      parsed.questions[0].dnsClass == .internet, !parsed.header.isResponse,
      !parsed.header.checkingDisabled
    else { return send(message, transport, deadline, questioner) }
    let asked = Asked(
      message: parsed, transport: transport, deadline: deadline, questioner: questioner)
    switch asked.question.type {
    case .aaaa:
      let operation = send(message, transport, deadline, questioner)
      if operation != 0 { stages[operation] = .own(asked) }
      return operation
    case .ptr:
      guard let embedded = embedded(asked.question.name) else { break }
      let name = DNSName(reverseOf: .v4(embedded.v4))
      let operation = send(asked, DNSQuestion(name: name, type: .ptr))
      if operation != 0 { stages[operation] = .reverse(asked, name) }
      return operation
    default: break
    }
    return send(message, transport, deadline, questioner)
  }

  private func send(
    _ message: ByteView, _ transport: QuestionTransport, _ deadline: UInt64,
    _ questioner: Questioner?
  ) -> OperationID {
    guard let questioner else {
      return inner.query(message, transport: transport, deadline: deadline)
    }
    return inner.query(message, transport: transport, deadline: deadline, by: questioner)
  }

  /// Sends another question for the same guest.
  private func send(_ asked: Asked, _ question: DNSQuestion) -> OperationID {
    var message = asked.message
    message.questions = [question]
    return message.encoded().withByteView {
      send($0, asked.transport, asked.deadline, asked.questioner)
    }
  }

  func cancel(_ operation: OperationID) {
    if let other = following.removeValue(forKey: operation) {
      stages[other] = nil
      inner.cancel(other)
    } else {
      stages[operation] = nil
      inner.cancel(operation)
    }
  }

  /// The IPv4 address of the reverse name of a synthesized address; nil for other names.
  private func embedded(_ name: DNSName) -> IPAddress? {
    guard let address = name.reverseAddress, case .v6(let high, let low) = address else {
      return nil
    }
    return nat64.embedded(in: IPAddress(high: high, low: low)).flatMap { isReached($0) ? $0 : nil }
  }

  // MARK: Answers

  /// Handles an answer of the network's DNS; borrowed.
  func answered(_ operation: OperationID, _ bytes: ByteView?) -> Outcome {
    guard let stage = stages.removeValue(forKey: operation) else { return .unchanged }
    let message = bytes.flatMap { try? DNSMessage(parsing: Array($0.buffer)) }
    switch stage {
    case .own(let asked): return own(asked, operation, message, bytes)
    case .other(let asked, let question, let first):
      following[question] = nil
      let made = message.flatMap { translated($0, asked, first) }
      return .answer(question, made?.encoded(limit: asked.limit) ?? first)
    case .reverse(let asked, let name):
      guard var message else { return .unchanged }
      let alias = DNSRecord(
        name: asked.question.name, ttl: Self.timeToLive, data: .name(.cname, name))
      message.questions = [asked.question]
      message.header.authenticData = false
      message.answers.insert(alias, at: 0)
      return .answer(operation, message.encoded(limit: asked.limit))
    }
  }

  private func own(
    _ asked: Asked, _ operation: OperationID, _ message: DNSMessage?, _ bytes: ByteView?
  ) -> Outcome {
    // NXDOMAIN holds for both address families (§5.1.2).
    if let message, message.responseCode == .nameError || message.header.isTruncated {
      return .unchanged
    }
    let hasAddress = message?.answers.contains {
      guard case .address(.v6(let high, let low)) = $0.data else { return false }
      // §5.1.4: IPv4-mapped addresses are excluded.
      return high != 0 || low >> 32 != 0xffff
    }
    if message?.responseCode == .noError, hasAddress == true { return .unchanged }
    let next = send(asked, DNSQuestion(name: asked.question.name, type: .a))
    guard next != 0 else { return .unchanged }
    stages[next] = .other(asked, of: operation, first: bytes.map { Array($0.buffer) })
    following[operation] = next
    return .waits
  }

  /// Converts the answer with A records to one with AAAA records; nil if guests reach none of the addresses.
  private func translated(
    _ message: DNSMessage, _ asked: Asked, _ first: [UInt8]?
  ) -> DNSMessage? {
    guard message.responseCode == .noError else { return nil }
    let longest = first.flatMap { try? DNSMessage(parsing: $0) }?.negativeTTL ?? Self.timeToLive
    var found = false
    let answers = message.answers.compactMap { record -> DNSRecord? in
      if record.type.rawValue == Self.rrsig { return nil }
      guard case .address(.v4(let v4)) = record.data else { return record }
      guard isReached(IPAddress(v4: v4)) else { return nil }
      found = true
      var record = record
      let address = nat64.address(of: IPAddress(v4: v4))
      record.data = .address(.v6(address.high, address.low))
      record.ttl = min(record.ttl, longest)
      return record
    }
    guard found else { return nil }
    var made = DNSMessage(
      header: message.header, questions: [asked.question], answers: answers, edns: message.edns)
    made.header.authenticData = false
    return made
  }
}

extension DNSMessage {
  /// TTL of a negative answer (RFC 2308 §5), seconds.
  fileprivate var negativeTTL: UInt32? {
    for record in authorities {
      if case .soa(let authority) = record.data { return min(record.ttl, authority.minimum) }
    }
    return nil
  }
}
