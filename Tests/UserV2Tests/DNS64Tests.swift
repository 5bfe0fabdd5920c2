// SPDX-License-Identifier: Apache-2.0
//
// DNS64: what guests are answered, by the section of RFC 6147 that says so.

import DNSMessage
import NetStack
import Testing
import Wire

@testable import Gateway

/// The network's DNS: notes what it is asked.
private final class NotedResolver: DNSResolver {
  var asked: [DNSQuestion] = []
  var cancelled: [OperationID] = []
  var isFull = false

  func query(_ message: ByteView, transport: QuestionTransport, deadline: UInt64) -> OperationID {
    guard !isFull, let parsed = try? DNSMessage(parsing: Array(message.buffer)) else { return 0 }
    asked += parsed.questions
    return OperationID(asked.count)
  }

  func cancel(_ operation: OperationID) { cancelled.append(operation) }
}

@Suite(.timeLimit(.minutes(1))) struct DNS64Tests {
  private let inner = NotedResolver()
  private let dns64: DNS64

  init() {
    dns64 = DNS64(inner, .wellKnown) { $0 != IPAddress(10, 0, 0, 1) }
  }

  private static func name(_ text: String) throws -> DNSName { try #require(DNSName(text)) }

  private func ask(
    _ name: String, _ type: DNSType, checkingDisabled: Bool = false, edns: DNSEDNS? = nil
  ) throws -> OperationID {
    var message = DNSMessage(
      query: DNSQuestion(name: try Self.name(name), type: type), id: 7, edns: edns)
    message.header.checkingDisabled = checkingDisabled
    return message.encoded().withByteView { dns64.query($0, transport: .udp, deadline: 0) }
  }

  private func answer(
    _ type: DNSType, _ records: [DNSRecordData], code: DNSResponseCode = .noError,
    authority: [DNSRecord] = []
  ) throws -> [UInt8] {
    let name = try Self.name("there.example")
    var header = DNSHeader(id: 7)
    header.isResponse = true
    header.authenticData = true
    header.responseCode = code
    return DNSMessage(
      header: header, questions: [DNSQuestion(name: name, type: type)],
      answers: records.map { DNSRecord(name: name, ttl: 300, data: $0) }, authorities: authority
    ).encoded()
  }

  private func complete(_ operation: OperationID, _ bytes: [UInt8]?) -> DNS64.Outcome {
    guard let bytes else { return dns64.answered(operation, nil) }
    return bytes.withByteView { dns64.answered(operation, $0) }
  }

  private func made(_ outcome: DNS64.Outcome, for operation: OperationID) throws -> DNSMessage {
    guard case .answer(operation, let bytes?) = outcome else {
      throw DNSParseError.truncated
    }
    return try DNSMessage(parsing: bytes)
  }

  private var isUnchanged: (DNS64.Outcome) -> Bool {
    { if case .unchanged = $0 { true } else { false } }
  }

  @Test func `§5.1: a name with IPv6 addresses is answered as it is`() throws {
    let operation = try ask("there.example", .aaaa)
    let outcome = complete(operation, try answer(.aaaa, [.address(.v6(0x2001_0db8 << 32, 1))]))
    #expect(isUnchanged(outcome) && inner.asked.count == 1)
  }

  @Test func `§5.1.2: a name that is not there is not asked for again`() throws {
    let operation = try ask("there.example", .aaaa)
    #expect(isUnchanged(complete(operation, try answer(.aaaa, [], code: .nameError))))
    #expect(inner.asked.count == 1)
  }

  @Test(arguments: [DNSResponseCode.noError, .serverFailure, .refused])
  func `§5.1.2, §5.1.7: one without gets those of its IPv4 addresses, whatever else went wrong`(
    code: DNSResponseCode
  ) throws {
    let operation = try ask("there.example", .aaaa)
    let soa = DNSRecord(authorityOf: try Self.name("example"), ttl: 60)
    guard case .waits = complete(operation, try answer(.aaaa, [], code: code, authority: [soa]))
    else { return #expect(Bool(false), "no second question") }
    #expect(inner.asked.map(\.type) == [.aaaa, .a])
    let message = try made(
      complete(2, try answer(.a, [.address(.v4(0x0808_0808)), .address(.v4(0x0a00_0001))])),
      for: operation)
    #expect(message.header.id == 7 && message.header.isResponse)
    // What is made up is not authentic (§5.1.7), and lives no longer than what denied it.
    #expect(!message.header.authenticData)
    #expect(message.questions.map(\.type) == [.aaaa])
    #expect(message.answers.map(\.data) == [.address(.v6(0x0064_ff9b << 32, 0x0808_0808))])
    #expect(message.answers.map(\.ttl) == [60])
  }

  @Test func `§5.1.2: no answer at all is as an empty one`() throws {
    let operation = try ask("there.example", .aaaa)
    guard case .waits = complete(operation, nil) else { return #expect(Bool(false)) }
    let message = try made(
      complete(2, try answer(.a, [.address(.v4(1 << 24 | 1))])), for: operation)
    #expect(message.answers.map(\.ttl) == [300])
  }

  @Test func `§5.1.4: IPv4-mapped addresses count as none`() throws {
    let operation = try ask("there.example", .aaaa)
    let mapped = try answer(.aaaa, [.address(.v6(0, 0xffff_0808_0808))])
    guard case .waits = complete(operation, mapped) else { return #expect(Bool(false)) }
    #expect(inner.asked.count == 2)
  }

  @Test func `§5.1.6: a name without addresses of either family is answered as at first`() throws {
    let operation = try ask("there.example", .aaaa)
    let first = try answer(.aaaa, [])
    _ = complete(operation, first)
    for records in [[], [DNSRecordData.address(.v4(0x0a00_0001))]] {
      _ = records
    }
    guard case .answer(operation, let bytes) = complete(2, try answer(.a, [])) else {
      return #expect(Bool(false))
    }
    #expect(bytes == first)
  }

  @Test func `§5.1.5: aliases on the way stay`() throws {
    let operation = try ask("there.example", .aaaa)
    let alias = DNSRecordData.name(.cname, try Self.name("other.example"))
    _ = complete(operation, try answer(.aaaa, [alias]))
    let message = try made(
      complete(2, try answer(.a, [alias, .address(.v4(0x0808_0404))])), for: operation)
    #expect(message.answers.map(\.type) == [.cname, .aaaa])
  }

  @Test func `§5.3.1: an address of the prefix has the names of its IPv4 address`() throws {
    let reverse = DNSName(reverseOf: .v6(0x0064_ff9b << 32, 0x0808_0808))
    let operation = try ask("\(reverse)", .ptr)
    #expect(inner.asked.map(\.name) == [DNSName(reverseOf: .v4(0x0808_0808))])
    let said = try answer(.ptr, [.name(.ptr, try Self.name("dns.google"))])
    let message = try made(complete(operation, said), for: operation)
    #expect(message.questions.map(\.name) == [reverse])
    #expect(message.answers.map(\.type) == [.cname, .ptr])
  }

  @Test func `§5.5: who validates by itself gets what there is`() throws {
    let operation = try ask("there.example", .aaaa, checkingDisabled: true)
    #expect(isUnchanged(complete(operation, try answer(.aaaa, []))))
  }

  @Test func `an answer fits what the guest takes, and says that it was cut`() throws {
    let operation = try ask("there.example", .aaaa)
    _ = complete(operation, try answer(.aaaa, []))
    let many = (0..<40).map { DNSRecordData.address(.v4(0x0808_0000 + $0)) }
    guard case .answer(operation, let bytes?) = complete(2, try answer(.a, many)) else {
      return #expect(Bool(false))
    }
    #expect(bytes.count <= 512)
    #expect(try DNSMessage(parsing: bytes).header.isTruncated)
  }

  @Test func `a guest that leaves takes its second question along`() throws {
    let operation = try ask("there.example", .aaaa)
    _ = complete(operation, try answer(.aaaa, []))
    dns64.cancel(operation)
    #expect(inner.cancelled == [2])
    #expect(isUnchanged(complete(2, try answer(.a, [.address(.v4(1))]))))
  }

  @Test func `where no second question can be asked the first answer stands`() throws {
    let operation = try ask("there.example", .aaaa)
    inner.isFull = true
    #expect(isUnchanged(complete(operation, try answer(.aaaa, []))))
  }
}
