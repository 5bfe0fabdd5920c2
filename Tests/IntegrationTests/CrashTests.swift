// SPDX-License-Identifier: Apache-2.0
//
// A network's process dies; the others do not notice, and it comes back with its
// guests.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct CrashTests {
    private func hostProcess(_ daemon: TestDaemon, _ network: String) throws -> Int32? {
      try daemon.hostProcess(of: network).map(Int32.init)
    }

    @Test func aCrashCostsOneNetworkForASecondAndItsGuestsGoOn() throws {
      try require(.tap, .program("curl"), .program("python3"))
      let daemon = try TestDaemon(
        configuration: "networks:\n  other:\n    mode: slirp\n")
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }

      // A long transfer on one network, pings on the other.
      let size = 2 << 30
      let transfer = try daemon.begin(
        "exec", "other", "--mtu", "65520", "--", "sh", "-c",
        "curl -sS http://192.168.5.2:\(servers.ports.http)/bytes/\(size) | sha256sum")
      defer { transfer.stop() }
      let pinger = try daemon.begin(
        "exec", "default", "--", "sh", "-c",
        "ping -i 0.2 -c 40 192.168.5.2; curl -sS -m 5 http://192.168.5.2:\(servers.ports.http)/")
      defer { pinger.stop() }
      #expect(eventually { pinger.output.contains("icmp_seq=3 ") }, "\(pinger.errors)")

      let victim = try #require(try hostProcess(daemon, "default"))
      let killed = Date()
      kill(victim, SIGSEGV)
      #expect(
        try eventually {
          guard let now = try hostProcess(daemon, "default") else { return false }
          return now != victim
        })
      let outage = Date().timeIntervalSince(killed)
      // At once: all it takes is the start of a process, however busy the machine is.
      #expect(!daemon.log.contains("starts again in"), "\(daemon.log)")

      let pings = pinger.wait(seconds: 30)
      #expect(pings.output.contains("Hello from the host."), "\(pings)\n\(daemon.log)")
      // 40 pings, 0.2 s apart: a second without a network is five of them, and no more are lost than that.
      let received = pings.output.firstMatch(of: /(\d+) received/).flatMap { Int($0.1) } ?? 0
      #expect(received >= 40 - Int(outage / 0.2) - 2, "out for \(outage) s; \(pings)")

      let expected = try run(
        "curl", ["-sS", "http://127.0.0.1:\(servers.ports.http)/sha256/\(size)"], seconds: 60)
      let result = transfer.wait(seconds: 120)
      #expect(result.succeeded, "\(result)")
      #expect(
        result.output.split(separator: " ").first == expected.output.split(separator: "\n").first,
        "\(result)")

      let status = try daemon.netd("status", "--json").output
      #expect(status.contains("SIGSEGV"), "\(status)")
      #expect(daemon.log.contains("SIGSEGV"))
    }

    @Test func thePeerOfAQEMUStreamGoesOnAtAFrameBoundaryOrIsClosed() throws {
      try require(.program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      // A stream client that pings the gateway by ARP, over and over, across a crash.
      let client = try RunningCommand(
        "python3", [Installation.fixtures + "/arping.py", daemon.socket("qemu")])
      defer { client.stop() }
      #expect(eventually { client.output.contains("reply 5\n") }, "\(client.errors)")
      let victim = try #require(try hostProcess(daemon, "default"))
      kill(victim, SIGSEGV)
      let before = client.output.split(separator: "\n").count
      #expect(
        eventually { client.output.split(separator: "\n").count > before + 5 },
        "\(client.output)\n\(client.errors)\n\(daemon.log)")
      #expect(!client.output.contains("garbage"), "\(client.output)")
    }

    @Test func aPluginThatTrapsIsReportedAndStartedAgain() throws {
      try require(.tap)
      let plugins = try TestPlugins.build(["trap"])
      defer { plugins.remove() }
      let daemon = try TestDaemon(
        configuration: "networks:\n  bad:\n    mode: trap\n",
        arguments: ["--plugin-dir", plugins.folder])
      defer { daemon.stop() }
      // Its first frame makes it trap; the daemon and the other network go on.
      _ = try daemon.guest("ping -c 1 -W 1 10.123.0.2", on: "bad", seconds: 20)
      let status = try daemon.netd("status", "--json").output
      #expect(status.contains("SIGILL") || status.contains("SIGTRAP"), "\(status)")
      #expect(try daemon.guest("ping -c 1 -W 2 192.168.5.2").succeeded)
    }
  }
}
