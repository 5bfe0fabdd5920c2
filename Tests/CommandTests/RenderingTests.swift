// SPDX-License-Identifier: Apache-2.0

import Daemon
import HostProtocol
import Foundation
import Platform
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

  @Test func aNameFromElsewhereCannotCommandTheTerminal() {
    var table = Table("GUEST", "B")
    table.add("\u{1b}[2Jweb\n\u{202e}x", "y")
    #expect(table.text == "GUEST       B\n?[2Jweb ?x  y")
  }

  @Test
  func `the widest columns of a narrow terminal have cells of several lines, and lose nothing`() {
    var table = Table("NAME", "FILE", "NOTE")
    table.add(
      "slirp", "/usr/lib/lima-netd/plugins/liblima-net-slirp.so", "not loaded: it is a text")
    #expect(
      table.text(within: 40) == """
        NAME   FILE             NOTE
        slirp  /usr/lib/lima-   not loaded: it
               netd/plugins/    is a text
               liblima-net-
               slirp.so
        """)
    #expect(
      table.text(within: nil).split(separator: "\n").last
        == "slirp  /usr/lib/lima-netd/plugins/liblima-net-slirp.so  not loaded: it is a text")
    // No room at all: as narrow as it gets.
    #expect(table.text(within: 1).contains("slirp"))
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
            connections: 2, state: .open),
          Forward(
            protocol: "unix", host: "/run/x.sock", guest: "192.168.5.15:81", state: .waiting,
            reason: "address already in use", error: "address already in use"),
          Forward(
            protocol: "udp", host: "[::1]:53", guest: "192.168.5.15:53", state: .failed,
            reason: "this host has no IPv6", error: "this host has no IPv6"),
        ])
    ])
    #expect(
      text == """
        NETWORK  PROTOCOL  HOST            GUEST                  CONNECTIONS  STATE
        default  tcp       127.0.0.1:8080  192.168.5.15:80 (web)  2            open
        default  unix      /run/x.sock     192.168.5.15:81        -            waiting: address already in use
        default  udp       [::1]:53        192.168.5.15:53        -            failed: this host has no IPv6
        """)
    #expect(ForwardList.text([]) == "No forwards.")
    let gateway = Forward(
      protocol: "udp", host: "0.0.0.0:53", guest: "192.168.5.15:53", source: "gateway", state: .open
    )
    #expect(
      ForwardList.text([.init(network: "lab", forwards: [gateway])]).hasSuffix(
        "open, clients as the gateway"))
  }

  @Test func whatIsAddedSaysWhereItLeadsAndWhetherItDoes() {
    var forward = Forward(
      protocol: "tcp", host: "127.0.0.1:40000", guest: "192.168.5.15:80", state: .open)
    #expect(
      ForwardAdd.text(forward, "default")
        == "tcp 127.0.0.1:40000 leads to 192.168.5.15:80 of default")
    forward.state = .waiting
    forward.reason = "no guest is connected"
    #expect(
      ForwardAdd.text(forward, "default")
        == "tcp 127.0.0.1:40000 will lead to 192.168.5.15:80 of default; it waits: no guest is connected"
    )
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

@Suite(.timeLimit(.minutes(5))) struct PluralTests {
  @Test(arguments: [
    (0, "0 guests"), (1, "1 guest"), (2, "2 guests"),
  ])
  func oneThingIsNotMany(count: Int, text: String) {
    #expect(Plural.text(count, "guest") == text)
  }

  @Test(arguments: [(1, "once"), (2, "twice"), (3, "3 times")])
  func whatHappenedOnceDidNotHappenOneTimes(count: Int, text: String) {
    #expect(Plural.times(count) == text)
  }

  /// Nothing that users read counts one thing as many: such texts are made by Plural.
  @Test func noTextPutsAnSBehindANumberByItself() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    // Counts whose sentence holds only for several, or for a limit.
    let allowed = [
      "zones already", "instances are up", "have \\(count) ports", "bytes, at most",
      "bytes, and a socket's path has at most", "characters at most",
    ]
    let count =
      /(count|Count|size|Size|lost|exhausted|suppressed|attempts?|unsaid|bytes|descriptors|sockets|restarts|number)\) ([A-Z]+ )?(guest|forward|network|frame|time|record|member|character|connection|answer|lease|byte|octet|descriptor|line|request|flow|question|port|option|warning|problem|instance|name|entrie|second|packet|client|server)s\b/
    for folder in ["Sources", "Plugins", "SDK/Swift"] {
      let files = try #require(
        FileManager.default.enumerator(atPath: root.appending(path: folder).path))
      for case let file as String in files
      where file.hasSuffix(".swift") && !file.hasSuffix("Plural.swift") {
        let text = try String(
          contentsOf: root.appending(path: folder).appending(path: file), encoding: .utf8)
        for line in text.split(separator: "\n") where line.contains("\"") {
          guard line.firstMatch(of: count) != nil else { continue }
          #expect(
            line.contains("count == 1") || allowed.contains { line.contains($0) },
            "\(file): \(line)")
        }
      }
    }
  }

  @Test func oneNameIsNotThereInThePlural() {
    #expect(Plural.there(["web"]) == "there is web")
    #expect(Plural.there(["a", "b", "c"], most: 2) == "there are a, b, ...")
  }
}

@Suite(.timeLimit(.minutes(5))) struct PcapRecordsTests {
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
    var records = PcapRecords()
    let bytes = Self.stream(bigEndian: bigEndian)
    var whole: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      whole += records.take(bytes[start..<min(start + size, bytes.count)])
    }
    #expect(records.frames == 4 && whole == bytes)
  }

  @Test
  func
    `a stream that ends inside a frame leaves it out, and the next one goes on without its head`()
  {
    let bytes = Self.stream(bigEndian: false)
    for cut in 24..<bytes.count {
      var records = PcapRecords()
      var whole = records.take(bytes[..<cut])
      let before = records.frames
      records.beginAnother()
      whole += records.take(bytes)
      #expect(records.frames == before + 4)
      var check = PcapRecords()
      #expect(check.take(whole) == whole && check.frames == before + 4)
    }
  }

  @Test func `what is no record ends it`() {
    var records = PcapRecords()
    let head = Array(Self.stream(bigEndian: false)[..<24])
    #expect(records.take(head + [UInt8](repeating: 0xff, count: 40)) == head)
    #expect(records.isBroken && records.take([1]).isEmpty)
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
    // Nanoseconds in JSON.
    for (uptime, text) in [
      (24_103_632_068, "24 s"), (90_000_000_000, "1 min 30 s"), (7_500_000_000_000, "2 h 5 min"),
      (200_000_000_000_000, "2 d 7 h"),
    ] {
      let host = JSONValue.object(["uptime": .integer(Int64(uptime))])
      #expect(NetworkText.counters(.object(["host": host])) == ["host.uptime \(text)"])
    }
  }

  @Test func aFileThatIsNoPluginSaysWhy() {
    let inspection = Inspection(file: "/etc/passwd", reason: .notELF, detail: "it is no ELF file")
    #expect(
      PluginText.details(inspection) == "/etc/passwd is not a usable plugin: it is no ELF file")
  }
}
