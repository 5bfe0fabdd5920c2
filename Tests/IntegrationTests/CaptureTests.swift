// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension EndToEnd {
  @Suite struct CaptureTests {
    @Test func aCaptureThatCannotBeginLeavesTheFileAsItIs() throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let file = daemon.home + "/old.pcap"
      try "kept".write(toFile: file, atomically: true, encoding: .utf8)
      let unknown = try daemon.netd("capture", "nope", "-w", file)
      #expect(unknown.status == 1 && unknown.errors.contains("there are default"), "\(unknown)")
      #expect(try String(contentsOfFile: file, encoding: .utf8) == "kept")
      // One of a network at rest has nothing to write yet.
      let new = daemon.home + "/new.pcap"
      let capture = try daemon.begin("capture", "default", "-w", new)
      defer { capture.stop() }
      // A file that must not come: some time for one that would.
      Thread.sleep(forTimeInterval: 0.5)
      kill(capture.process.processIdentifier, SIGINT)
      #expect(capture.wait(seconds: 10).errors.contains("0 frames written"))
      #expect(!FileManager.default.fileExists(atPath: new))
      let nowhere = try daemon.netd("capture", "default", "-w", "/nowhere/x.pcap")
      #expect(nowhere.status == 1 && nowhere.errors.contains("could not be made"), "\(nowhere)")
    }

    @Test func tcpdumpReadsWhatCaptureWrites() throws {
      try require(.tap, .program("tcpdump"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let guest = try daemon.begin(
        "exec", "default", "--", "ping", "-i", "0.1", "-c", "100", "192.168.5.2")
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("icmp_seq=2 ") }, "\(guest.errors)")
      let file = daemon.home + "/guest.pcap"
      let capture = try daemon.begin("capture", "default", "-w", file)
      // A few requests and answers: a record's head, and a frame of 98 octets.
      #expect(
        eventually {
          let size = try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int
          return size ?? 0 > 24 + 6 * (16 + 98)
        }, "\(capture.errors)")
      kill(capture.process.processIdentifier, SIGINT)
      let ended = capture.wait(seconds: 20)
      #expect(ended.status == 0, "\(ended)")
      let read = try run("tcpdump", ["-n", "-r", file])
      #expect(read.output.contains("192.168.5.15 > 192.168.5.2: ICMP echo request"), "\(read)")
      #expect(read.output.contains("192.168.5.2 > 192.168.5.15: ICMP echo reply"), "\(read)")
    }

    @Test func `a capture goes on with the next process of its network, and says so`() throws {
      try require(.tap, .program("tcpdump"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let guest = try daemon.begin(
        "exec", "default", "--", "ping", "-i", "0.05", "-c", "2000", "192.168.5.2")
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("icmp_seq=2 ") }, "\(guest.errors)")
      let file = daemon.home + "/guest.pcap"
      let capture = try daemon.begin("capture", "default", "-w", file)
      defer { capture.stop() }
      func size() -> Int {
        ((try? FileManager.default.attributesOfItem(atPath: file)[.size]) as? Int) ?? 0
      }
      #expect(eventually { size() > 500 }, "\(capture.errors)")
      kill(Int32(try #require(try daemon.hostProcess(of: "default"))), SIGKILL)
      #expect(
        eventually {
          capture.errors.contains("has ended (killed by SIGKILL): the capture goes on")
        },
        "\(capture.errors)")
      let before = size()
      #expect(eventually { size() > before + 500 }, "\(capture.errors)")
      #expect(try daemon.netd("network", "stop", "default").succeeded)
      let ended = capture.wait(seconds: 20)
      #expect(ended.status == 0 && ended.errors.contains("the capture ends with it"), "\(ended)")
      let read = try run("tcpdump", ["-n", "-r", file])
      #expect(read.succeeded && !read.errors.contains("truncated"), "\(read)")
      let replies = read.output.split(separator: "\n").filter { $0.contains("ICMP echo reply") }
      // Of 500 bytes at least five records of 114, every other one a reply: from the one process and from the next.
      #expect(replies.count >= 4, "\(read)")
    }
  }
}
