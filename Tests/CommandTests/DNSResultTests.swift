// SPDX-License-Identifier: Apache-2.0
//
// Answers as dns query shows them.

import DNSMessage
import Daemon
import Testing

@testable import lima_netd

@Suite(.timeLimit(.minutes(5))) struct DNSResultTests {
  private let name = "host.lima.internal"

  private func result(
    _ code: DNSResponseCode, answers: [DNSRecord] = [], wasCut: Bool = false,
    _ change: (inout DNSMessage) -> Void = { _ in }
  ) throws -> DNSResult {
    let query = DNSMessage(query: .init(name: try #require(DNSName(name)), type: .a), id: 1)
    var message = DNSMessage(
      header: query.header.reply(code), questions: query.questions, answers: answers)
    change(&message)
    let bytes = message.encoded()
    return DNSResult(
      DNSLookup(name: name, type: "A", transport: "udp"),
      try DNSReply(bytes, milliseconds: 3.25, plugin: "hostdns 0.1.0", network: "default"),
      wasCut: wasCut)
  }

  private func record(_ text: String, ttl: UInt32 = 60) throws -> DNSRecord {
    DNSRecord(
      name: try #require(DNSName(text)), ttl: ttl,
      data: .address(try #require(DNSAddress("192.168.5.2"))))
  }

  @Test func answersComeFirstThenWhatElseThereIsAndWhoAnswered() throws {
    let result = try result(.noError, answers: [try record(name)]) {
      $0.authorities = [try! record("ns.test")]  // a name of this test
      $0.additionals = [try! record("mail.test")]  // the same
      $0.edns = DNSEDNS(udpSize: 1232)
    }
    #expect(
      result.text == """
        host.lima.internal.\t60\tIN\tA\t192.168.5.2
        ;; AUTHORITY
        ns.test.\t60\tIN\tA\t192.168.5.2
        ;; ADDITIONAL
        mail.test.\t60\tIN\tA\t192.168.5.2
        ;; flags qr rd; EDNS 1232; \(result.size) bytes over UDP
        ;; NOERROR from hostdns 0.1.0 of network default, 3.3 ms
        """)
    let json = try JSONText.decode(JSONValue.self, from: JSONText.string(result))
    #expect(json["answers"]?.array?.first?["data"]?.string == "192.168.5.2")
    #expect(json["answers"]?.array?.first?["class"]?.string == "IN")
    #expect(json["authority"]?.array?.count == 1 && json["additional"]?.array?.count == 1)
    #expect(json["flags"]?.array?.map(\.string) == ["qr", "rd"])
    #expect(json["code"] == .integer(0) && json["transport"]?.string == "udp")
  }

  @Test func noAnswerIsAnAnswerToo() throws {
    #expect(try result(.noError).text.hasPrefix("host.lima.internal has no record of type A\n"))
    #expect(try result(.nameError).text.hasPrefix("host.lima.internal does not exist\n"))
    #expect(
      try result(.serverFailure).text.hasPrefix(
        "host.lima.internal could not be resolved: SERVFAIL\n"))
    #expect(try result(.nameError).code == 3 && result(.serverFailure).code == 2)
  }

  @Test func whyAnAnswerFailedIsTold() throws {
    let failed = try result(.serverFailure) {
      $0.edns = DNSEDNS(
        udpSize: 1232, options: [0, 15, 0, 6, 0, 22] + Array("ns\u{1b}1".utf8) + [0, 10, 0, 1, 7])
    }
    #expect(failed.text.contains("\n;; because: EDE 22 (No Reachable Authority): ns?1\n"))
    #expect(failed.text.contains("; options 10;"))
    let json = try JSONText.decode(JSONValue.self, from: JSONText.string(failed))
    #expect(json["edns"]?["errors"]?.array?.first?["code"] == .integer(22))
  }

  @Test func anAnswerThatWasCutSaysSo() throws {
    let cut = try result(.noError) { $0.header.isTruncated = true }
    #expect(cut.text.hasPrefix("host.lima.internal: none of the answer fits\n;; cut: "))
    let retried = try result(.noError, answers: [try record(name)], wasCut: true)
    #expect(retried.text.contains("\n;; cut over UDP, asked again over TCP\n"))
  }
}

/// Which transports `dns query` asks by.
@Suite(.timeLimit(.minutes(1))) struct DNSQueryTransportTests {
  /// Cuts what goes by UDP, or nothing; its TCP works or fails.
  private final class Server: DNSClient {
    let cuts: Bool
    let hasTCP: Bool
    var asked: [String?] = []

    init(cuts: Bool, hasTCP: Bool = true) {
      self.cuts = cuts
      self.hasTCP = hasTCP
    }

    func ask(_ question: DNSLookup) throws -> DNSReply {
      asked.append(question.transport)
      let isStream = question.transport == "tcp"
      guard hasTCP || !isStream else { throw CommandFailure("no TCP", remedy: "a server") }
      let query = try question.query(id: 1)
      var message = DNSMessage(header: query.header.reply(.noError), questions: query.questions)
      message.header.isTruncated = cuts && !isStream
      return try DNSReply(message.encoded(), milliseconds: 1, server: "192.0.2.1:53")
    }
  }

  private let question = DNSLookup(name: "a.test", type: "TXT")

  @Test(
    arguments: [
      (true, nil, ["udp", "tcp"], "tcp", true, false), (false, nil, ["udp"], "udp", false, false),
      (true, .udp, ["udp"], "udp", false, true), (true, .tcp, ["tcp"], "tcp", false, false),
    ] as [(Bool, DNSQuery.Transport?, [String], String, Bool, Bool)])
  func anAnswerThatWasCutIsAskedForOverTCPUnlessUDPIsWanted(
    cuts: Bool, way: DNSQuery.Transport?, asked: [String], transport: String, retried: Bool,
    isCut: Bool
  ) throws {
    let server = Server(cuts: cuts)
    let result = try DNSQuery.ask(question, way, server)
    #expect(server.asked == asked)
    #expect(result.transport == transport && result.retried == retried)
    #expect(result.flags.contains("tc") == isCut)
  }

  @Test func withoutTCPItIsToldThatTheAnswerWasCut() throws {
    let server = Server(cuts: true, hasTCP: false)
    let failure = #expect(throws: CommandFailure.self) {
      try DNSQuery.ask(question, nil, server)
    }
    #expect(failure?.message.contains("cut over UDP, and there is none over TCP: no TCP") == true)
    #expect(failure?.remedy?.contains("--udp") == true)
  }
}

@Suite(.timeLimit(.minutes(5))) struct DNSCacheTextTests {
  @Test func whatIsKeptAndWhatIsForgottenIsTold() throws {
    let entries = try JSONText.decode(
      [DNSCacheReport].self,
      from: """
        [{"network":"lab","name":"a.test","type":"A","class":"IN","flags":"do","code":"NOERROR","answers":1,"ttl":9},
         {"network":"lab","name":"b.test","type":"TXT","class":"CH","flags":"","code":"NXDOMAIN","answers":0,"ttl":8}]
        """)
    #expect(
      DNSCacheList.text(entries) == """
        NAME    TYPE    ANSWER        SECONDS LEFT  NETWORK
        a.test  A (do)  1 record      9             lab
        b.test  TXT CH  no such name  8             lab
        """)
    #expect(DNSCacheList.text([], " about x.test") == "No answers about x.test are kept.")
    let flushed = try JSONText.decode(
      [DNSFlushReport].self,
      from: #"[{"network":"lab","forgotten":1},{"network":"x","forgotten":0}]"#)
    #expect(
      DNSCacheFlush.text(flushed, " about a.test")
        == "lab has forgotten 1 answer about a.test\nx has forgotten 0 answers about a.test")
    #expect(DNSCacheFlush.text([], "") == "No network runs: no answers are kept.")
  }
}
