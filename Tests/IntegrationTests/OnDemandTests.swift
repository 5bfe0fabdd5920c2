// SPDX-License-Identifier: Apache-2.0
//
// What each command does where no daemon serves the home: starts one that stays, starts one for itself, or says so.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct OnDemandTests {
    @Test func `commands that ask for what lasts start a daemon that stays`() throws {
      try require(.tap, .root)
      let container = try Namespace()
      defer { container.remove() }
      let file = "/tmp/lnd-od\(UInt32.random(in: .min ... .max)).yaml"
      try "images: []\nnetworks: [{lima: user-v2}]\n".write(
        toFile: file, atomically: true, encoding: .utf8)
      defer { try? FileManager.default.removeItem(atPath: file) }
      for (words, said) in [
        (["network", "start", "default"], "default is started"),
        (
          ["forward", "add", "default", "tcp", "0", "192.168.5.15:80"],
          "will lead to 192.168.5.15:80 of default"
        ),
        (["instance", "up", file, "--name", "od"], "user-v2"),
        (
          ["attach", "default", "--netns", "\(container.processIdentifier)", "--detach"],
          "tap0 has 192.168.5.15/24"
        ),
      ] {
        let daemon = try TestDaemon(start: false)
        defer { daemon.stop() }
        let done = try daemon.netd(words)
        defer { _ = try? daemon.netd("stop") }
        #expect(done.succeeded && done.output.contains(said), "\(done)")
        #expect(done.errors.contains("a daemon was started for \(daemon.home)"), "\(done)")
        let pid = try #require(try daemon.status()["pid"] as? Int, "\(words)")
        #expect(done.errors.contains("(process \(pid))"), "\(done)")
        // It has left the session of whoever started it.
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        #expect(stat.split(separator: " ")[5] == "\(pid)", "\(stat)")
        #expect(try daemon.netd("stop").output.contains("is stopped"))
      }
    }

    @Test func `two commands that start a daemon at once share one, and a capture has its`() throws
    {
      try require(.tap)
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let file = daemon.home + "/frames.pcap"
      let capture = try daemon.begin("capture", "default", "-w", file)
      let other = try daemon.begin("network", "start", "user-v2")
      defer { _ = try? daemon.netd("stop") }
      let started = other.wait(seconds: 30)
      #expect(started.succeeded, "\(started)")
      #expect(
        eventually {
          _ = try? daemon.guest("ping -c 1 -W 5 192.168.5.2")
          return ((try? FileManager.default.attributesOfItem(atPath: file)[.size]) as? Int ?? 0)
            > 100
        })
      let stopped = try daemon.netd("stop")
      #expect(stopped.output.contains("is stopped"), "\(stopped)")
      // Its end is the daemon's: it starts no other.
      let ended = capture.wait(seconds: 30)
      #expect(ended.errors.contains("the daemon has ended"), "\(ended)")
      #expect(try daemon.netd("status").errors.contains("No daemon serves"))
    }

    @Test func `a question has a daemon of its own, and what lists says that there is none`() throws
    {
      try require(.tap)
      let daemon = try TestDaemon(
        configuration: "dns: {hosts: {od.test: 10.0.0.5}}\n", start: false)
      defer { daemon.stop() }
      let answer = try daemon.netd("dns", "query", "od.test", "--short")
      #expect(answer.output == "10.0.0.5\n", "\(answer)")
      for words in [
        ["status"], ["network", "ls"], ["network", "inspect", "default"],
        ["network", "stop", "default"],
        ["guest", "ls"], ["guest", "disconnect", "default", "x"], ["leases"], ["forward", "ls"],
        ["forward", "rm", "default", "tcp", "8080"], ["instance", "ls"], ["instance", "down", "x"],
        ["egress"], ["dns", "cache", "ls"], ["reload"], ["restart"],
      ] {
        let result = try daemon.netd(words)
        #expect(
          result.status == 1 && result.errors.contains("No daemon serves \(daemon.home)\n"),
          "\(result)")
      }
      try daemon.write(configuration: "networks:\n  lab: {mode: slirp, nonsense: 1}\n")
      let refused = try daemon.netd("network", "start", "default")
      #expect(
        refused.status == 1 && refused.errors.contains("none could be started")
          && refused.errors.contains("networks.yaml:2:"), "\(refused)")
    }
  }
}
