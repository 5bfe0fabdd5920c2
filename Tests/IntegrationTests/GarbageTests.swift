// SPDX-License-Identifier: Apache-2.0
//
// Clients and files that misbehave: each gets its error or loses its connection, and
// everything else goes on, with memory and file descriptors flat.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct GarbageTests {
    /// Runs Fixtures/garbage.py KIND against the network's QEMU stream socket.
    private func throwGarbage(_ kind: String, at daemon: TestDaemon, seconds: Double = 60) throws {
      let result = try run(
        "python3", [Installation.fixtures + "/garbage.py", kind, daemon.socket("qemu")],
        seconds: seconds)
      #expect(result.succeeded, "\(result)")
    }

    private func descriptors(of process: Int32) -> Int {
      (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count) ?? -1
    }

    @Test(arguments: ["length", "half", "vanish", "frames"])
    func aBadStreamClientHurtsNobodyElse(kind: String) throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let neighbour = try daemon.begin(
        "exec", "default", "--name", "neighbour", "--", "ping", "-i", "0.05", "192.168.5.2")
      defer { neighbour.stop() }
      #expect(eventually { neighbour.output.contains("icmp_seq=3 ") }, "\(neighbour.errors)")
      let host = try #require(try daemon.hostProcess(of: "default"))
      // The first round fills pools and caches; the second must leave nothing behind.
      try throwGarbage(kind, at: daemon)
      #expect(eventually { (try? guests(daemon)) == 1 })
      let before = (descriptors(of: Int32(host)), residentKiB(of: Int32(host)))
      try throwGarbage(kind, at: daemon)
      #expect(eventually { (try? guests(daemon)) == 1 })
      // The process may have had some of the first round's to close when it was looked at.
      #expect(eventually { descriptors(of: Int32(host)) <= before.0 }, "descriptors leak")
      #expect(eventually { residentKiB(of: Int32(host)) < before.1 + 2048 }, "memory grows")
      #expect(try daemon.hostProcess(of: "default") == host, "the network died\n\(daemon.log)")
      let replies = neighbour.output.count
      #expect(eventually { neighbour.output.count > replies + 100 }, "the neighbour stands still")
    }

    private func guests(_ daemon: TestDaemon) throws -> Int {
      (try daemon.network("default")["guests"] as? [Any])?.count ?? -1
    }

    @Test func aBrokenConfigurationIsReportedWithItsPlaceAndTheOldOneStays() throws {
      try require(.tap)
      let daemon = try TestDaemon(configuration: "networks:\n  lab:\n    mode: slirp\n")
      defer { daemon.stop() }
      try daemon.write(configuration: "networks:\n  lab:\n    mode: slirp\n    gatewya: 10.0.0.1\n")
      kill(daemon.processIdentifier, SIGHUP)
      #expect(eventually { daemon.log.contains("networks.yaml:4:5") }, "\(daemon.log)")
      #expect(daemon.log.contains("gatewya"))
      #expect(try daemon.guest("ping -c 1 -W 2 192.168.5.2", on: "lab").succeeded)
      try daemon.write(configuration: "networks:\n  new:\n    mode: slirp\n")
      kill(daemon.processIdentifier, SIGHUP)
      #expect(
        eventually { FileManager.default.fileExists(atPath: daemon.socket("qemu", of: "new")) })
      #expect(try daemon.guest("ping -c 1 -W 2 192.168.5.2", on: "new").succeeded)
    }

    @Test func aDaemonDoesNotStartWithABrokenConfiguration() throws {
      let daemon = try TestDaemon(configuration: "networks: [\n", start: false)
      defer { daemon.stop() }
      let result = try daemon.netd("serve", seconds: 10)
      #expect(result.status > 0, "\(result)")
      #expect(result.errors.contains("networks.yaml:"), "\(result)")
    }

    @Test func `too few open files are refused with words, and end no daemon`() throws {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      func limited(_ count: Int, _ words: String) throws -> CommandResult {
        try run(
          "sh", ["-c", "ulimit -n \(count); exec \(Installation.daemon) \(words)"],
          environment: daemon.environment, seconds: 20)
      }
      for words in ["serve", "network ls", "exec default -- true"] {
        let result = try limited(16, words)
        #expect(result.status == 1, "\(words): \(result)")
        #expect(result.errors.contains("16 open files are allowed here"), "\(words): \(result)")
      }
      try daemon.start()
      #expect(try limited(32, "network ls").succeeded)
    }

    @Test func sigtermStopsEverythingAndLeavesNoSocketBehind() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let guest = try daemon.begin("exec", "default", "--", "sleep", "30")
      defer { guest.stop() }
      #expect(eventually { (try? guests(daemon)) == 1 })
      let host = try #require(try daemon.hostProcess(of: "default"))
      kill(daemon.processIdentifier, SIGTERM)
      let command = try #require(daemon.command)
      let result = command.wait(seconds: 10)
      #expect(result.status == 0, "\(result)")
      #expect(eventually { kill(Int32(host), 0) != 0 })
      #expect(!FileManager.default.fileExists(atPath: daemon.socket("qemu")))
      #expect(!FileManager.default.fileExists(atPath: daemon.home + "/_networks/lima-netd.sock"))
    }

    @Test func theLastGuestThatLeavesStopsTheNetwork() throws {
      try require(.tap)
      let daemon = try TestDaemon(arguments: ["--grace-period", "300ms"])
      defer { daemon.stop() }
      #expect(try daemon.hostProcess(of: "default") == nil)
      #expect(try daemon.guest("true").succeeded)
      #expect(try eventually { try daemon.hostProcess(of: "default") == nil })
      #expect(try daemon.guest("ping -c 1 -W 2 192.168.5.2").succeeded)
    }
  }
}
