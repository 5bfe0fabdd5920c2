// SPDX-License-Identifier: Apache-2.0

import DNSMessage
import Daemon
import Testing

@testable import lima_netd

@Suite(.timeLimit(.minutes(5))) struct TableTests {
  @Test func columnsAreAlignedAndNothingTrails() {
    var table = Table("NAME", "STATE", "NOTE")
    table.add("default", "running", nil)
    table.add("lab", "failed", "no plugin")
    #expect(
      table.text == """
        NAME     STATE    NOTE
        default  running  -
        lab      failed   no plugin
        """)
  }

  @Test func anEmptyCellIsADash() {
    var table = Table("A", "B")
    table.add("", "x")
    #expect(table.text == "A  B\n-  x")
  }
}

@Suite(.timeLimit(.minutes(5))) struct ListingTests {
  @Test func forwardsShowWhereTheyLeadAndWhatIsWrong() {
    let text = ForwardList.text([
      .init(
        network: "default",
        forwards: [
          Forward(
            protocol: "tcp", host: "127.0.0.1:8080", guest: "192.168.5.15:80", guestName: "web",
            connections: 2),
          Forward(
            protocol: "unix", host: "/run/x.sock", guest: "192.168.5.15:81",
            error: "address already in use"),
        ])
    ])
    #expect(
      text == """
        NETWORK  PROTOCOL  HOST            GUEST                  CONNECTIONS  STATE
        default  tcp       127.0.0.1:8080  192.168.5.15:80 (web)  2            open
        default  unix      /run/x.sock     192.168.5.15:81        -            waiting: address already in use
        """)
    #expect(ForwardList.text([]) == "No forwards.")
  }

  @Test func leasesSayWhenTheyEnd() throws {
    let leases = try JSONText.decode(
      [LeaseReport].self,
      from: """
        [{"network":"default","address":"192.168.5.15","mac":"52:55:55:00:00:01","state":"bound","expires":3599},
         {"network":"default","address":"192.168.5.15","name":"exec-7"}]
        """)
    let lines = Leases.text(leases).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[1].hasSuffix("bound  in 59 min"))
    #expect(lines[2].contains("exec-7"))
    #expect(lines[2].hasSuffix("never"))
    #expect(Leases.text([]) == "No leases.")
  }

  @Test(arguments: [
    (-1, "expired"), (0, "in 0 s"), (119, "in 119 s"), (120, "in 2 min"), (86400, "in 24 h"),
  ])
  func durationsAreRounded(seconds: Int, text: String) {
    #expect(Leases.duration(seconds) == text)
  }
}

@Suite(.timeLimit(.minutes(5))) struct DNSResultTests {
  private func result(_ code: DNSResponseCode, answers: [DNSRecord] = []) throws -> DNSResult {
    let name = try #require(DNSName("host.lima.internal"))
    let query = DNSMessage(query: .init(name: name, type: .a), id: 1)
    let message = DNSMessage(
      header: query.header.reply(code), questions: query.questions, answers: answers)
    return DNSResult(
      name: "host.lima.internal", type: "A", network: "default", plugin: "hostdns 0.1.0",
      milliseconds: 3.25, message)
  }

  @Test func answersComeFirstThenWhoAnswered() throws {
    let name = try #require(DNSName("host.lima.internal"))
    let address = try #require(DNSAddress(octets: [192, 168, 5, 2][...]))
    let result = try result(
      .noError, answers: [DNSRecord(name: name, ttl: 60, data: .address(address))])
    let lines = result.text.split(separator: "\n").map(String.init)
    #expect(lines[0].split(separator: "\t").suffix(4) == ["60", "IN", "A", "192.168.5.2"])
    #expect(lines[1] == ";; NOERROR from hostdns 0.1.0 of network default, 3.3 ms")
    let json = try JSONText.decode(JSONValue.self, from: JSONText.string(result))
    #expect(json["answers"]?.array?.first?["data"]?.string == "192.168.5.2")
  }

  @Test func noAnswerIsAnAnswerToo() throws {
    #expect(try result(.noError).text.hasPrefix("host.lima.internal has no record of type A\n"))
    #expect(try result(.nameError).text.hasPrefix("host.lima.internal does not exist\n"))
    #expect(
      try result(.serverFailure).text.hasPrefix(
        "host.lima.internal could not be resolved: SERVFAIL\n"))
  }
}

@Suite(.timeLimit(.minutes(5))) struct PcapFramesTests {
  private static func stream(bigEndian: Bool) -> [UInt8] {
    func word(_ value: UInt32) -> [UInt8] {
      let bytes = withUnsafeBytes(of: value.littleEndian) { Array($0) }
      return bigEndian ? bytes.reversed() : bytes
    }
    var bytes = word(0xa1b2_c3d4) + [UInt8](repeating: 0, count: 20)
    for length in [60, 1, 0, 300] as [UInt32] {
      bytes += word(1) + word(2) + word(length) + word(9999)
      bytes += [UInt8](repeating: 0xd4, count: Int(length))
    }
    return bytes
  }

  @Test(arguments: [true, false], 1...50)
  func framesAreCountedHoweverTheStreamIsCut(bigEndian: Bool, size: Int) {
    var frames = PcapFrames()
    let bytes = Self.stream(bigEndian: bigEndian)
    for start in stride(from: 0, to: bytes.count, by: size) {
      frames.advance(bytes[start..<min(start + size, bytes.count)])
    }
    #expect(frames.frames == 4)
  }
}

@Suite(.timeLimit(.minutes(5))) struct APIPathTests {
  @Test func aNameIsOneSegmentWhateverItHolds() {
    #expect(APIPath.network("user-v2") == "/v1/networks/user-v2")
    #expect(APIPath.network("a/b?c d", "dns") == "/v1/networks/a%2Fb%3Fc%20d/dns")
    #expect(APIPath.escaped("\n\u{e9}") == "%0A%C3%A9")
  }
}

@Suite(.timeLimit(.minutes(5))) struct ReportTests {
  @Test func countersAreLeftOutWhenTheyAreZero() throws {
    let live = try JSONText.decode(
      JSONValue.self,
      from:
        #"{"ports":[{"name":"web","rx":5,"drops":0}],"plugin":{"tcp":{"flows":2},"on":true},"turns":7}"#
    )
    #expect(
      NetworkText.counters(live) == ["ports[web].rx 5", "plugin.tcp.flows 2", "turns 7"])
  }

  @Test func aPluginsOptionsAreListedWithThoseInside() {
    let inspection = Inspection(
      file: "/p/liblima-net-x.so", sha256: "ab",
      module: .init(id: "org.x", version: "1.2", license: "MIT", url: "", abiMinor: 0),
      plugins: [
        .init(
          kind: "network", name: "x", summary: "a test", modes: ["x", "y"], isolated: true,
          schema: """
            {"properties":{"mtu":{"type":"integer","default":1500,"description":"Bytes."},
             "tcp":{"type":"object","properties":{"idle":{"type":"integer"}}}}}
            """, extensions: ["limanetd.lease/1"])
      ])
    #expect(
      PluginText.details(inspection) == """
        x (network plugin): a test
          modes       x, y
          guests      isolated: each is alone with the plugin
          extensions  limanetd.lease/1
          OPTION    TYPE     DEFAULT  MEANING
          mtu       integer  1500     Bytes.
          tcp.idle  integer  -        -
        module org.x 1.2, ABI 1.0
        file   /p/liblima-net-x.so
        sha256 ab
        """)
  }

  @Test func aFileThatIsNoPluginSaysWhy() {
    let inspection = Inspection(file: "/etc/passwd", reason: .notELF, detail: "it is no ELF file")
    #expect(
      PluginText.details(inspection) == "/etc/passwd is not a usable plugin: it is no ELF file")
  }
}
