// SPDX-License-Identifier: Apache-2.0
//
// Faulty plugins beside a network that works: every fault that `plugin check` knows (Fixtures/plugins/faulty.c), each as a
// network of one daemon. None takes the daemon or the neighbour down. That check names each is PluginCheckTests' claim.

import Foundation
import HostProtocol
import Testing

extension EndToEnd {
  @Suite struct FaultTests {
    /// A guest of QEMU's socket: frames of many kinds, then it waits a while, and leaves.
    private static let guest = """
      import os, socket, struct, sys, time
      def frames():
          head = b"\\xff" * 6 + bytes.fromhex("525555000009")
          yield head + b"\\x08\\x06" + bytes(46)
          yield head + b"\\x08\\x00" + b"\\x4f" + bytes(60)
          yield head + b"\\x08\\x00"
          for n in range(300): yield head + b"\\x08\\x00" + os.urandom(14 + n * 5)
          yield head + b"\\x88\\xb5" + bytes(60000)
      try:
          s = socket.socket(socket.AF_UNIX)
          s.settimeout(5)
          s.connect(sys.argv[1])
          for f in frames(): s.sendall(struct.pack(">I", len(f)) + f)
          time.sleep(1)
      except OSError:
          pass
      """

    private func faulty(_ fault: String, in folder: String) throws -> String {
      let here = "\(folder)/\(fault)"
      try FileManager.default.createDirectory(atPath: here, withIntermediateDirectories: true)
      let file = here + "/lima-\(fault.hasPrefix("dns-") ? "dns" : "net")-faulty.so"
      let built = try run(
        "cc",
        ["-std=c11", "-O1", "-shared", "-fPIC", "-pthread", "-fvisibility=hidden"]
          + ["-DFAULT=\"\(fault)\"", "-I", Installation.root + "/Sources/PluginAPI/include"]
          + ["-o", file, Installation.fixtures + "/plugins/faulty.c"], seconds: 60)
      guard built.succeeded else { throw TestFailure("\(built)") }
      if fault == "file-elf" { try run("truncate", ["-s", "5000", file]) }
      return file
    }

    @Test func `no fault of a plugin's takes the daemon or another network down`() throws {
      try require(.tap, .program("python3"), .program("dig"))
      let folder = "/tmp/lndg\(UInt32.random(in: .min ... .max))"
      defer { try? FileManager.default.removeItem(atPath: folder) }
      // Of a file as such root loads less than others do; of the rest all.
      let faults = PluginCheck.all.map(\.id).filter {
        !$0.hasPrefix("file-") || $0 == "file-elf"
      }
      #expect(faults.count >= 30)
      var configuration = "networks:\n"
      for (number, fault) in faults.enumerated() {
        let file = try faulty(fault, in: folder)
        configuration += "  f\(number):\n"
        configuration +=
          fault.hasPrefix("dns-")
          ? "    mode: slirp\n    dns: {plugin: \(file)}\n"
          : "    mode: faulty\n    plugin: \(file)\n"
      }
      let daemon = try TestDaemon(configuration: configuration)
      defer { daemon.stop() }
      let supervisor = daemon.processIdentifier
      let neighbour = try daemon.begin(
        "exec", "default", "--", "sh", "-c", "exec ping -i 0.05 -W 30 192.168.5.2")
      defer { neighbour.stop() }
      #expect(eventually { neighbour.output.contains("icmp_seq=1 ") }, "\(neighbour.errors)")
      let before = try daemon.hostProcess(of: "default")

      var running: [RunningCommand] = []
      for (number, fault) in faults.enumerated() {
        if running.count >= 8 { _ = running.removeFirst().wait(seconds: 60) }
        let words =
          fault.hasPrefix("dns-")
          ? [
            "exec", "f\(number)", "--", "sh", "-c",
            "for n in stop0.check.example name500.test a.test; do dig +tries=1 +time=1 @192.168.5.3 $n & done; wait",
          ]
          : []
        if words.isEmpty {
          running.append(
            try RunningCommand(
              "python3", ["-c", Self.guest, daemon.socket("qemu", of: "f\(number)")]))
        } else {
          running.append(
            try RunningCommand(Installation.daemon, words, environment: daemon.environment))
        }
      }
      for command in running { _ = command.wait(seconds: 60) }
      let status = try daemon.netd("status")
      #expect(status.succeeded, "\(status)")
      #expect(daemon.processIdentifier == supervisor && daemon.command?.process.isRunning == true)
      #expect(try daemon.hostProcess(of: "default") == before)
      #expect(try daemon.network("default")["restarts"] as? Int == 0)
      // Every ping was answered; how soon is measured, and not a claim of a test.
      kill(neighbour.process.processIdentifier, SIGINT)
      let pings = neighbour.wait(seconds: 30)
      #expect(pings.output.contains(" 0% packet loss"), "\(pings)")
      print(pings.output.split(separator: "\n").last ?? "")
      // Some of them do die, or hang: this is no test of plugins that are well.
      let networks = try daemon.status()["networks"] as? [[String: Any]] ?? []
      #expect(networks.contains { ($0["restarts"] as? Int ?? 0) > 0 })
    }
  }
}
