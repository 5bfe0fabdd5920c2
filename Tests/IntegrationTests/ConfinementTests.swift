// SPDX-License-Identifier: Apache-2.0
//
// What a network's process may do: a plugin (Fixtures/plugins/nosy.c) tries, and says the errno of each.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct ConfinementTests {
    private static let refusals: [String: Int32] = [
      "execve": EPERM, "ptrace": EPERM, "readParent": EPERM, "parentsEnvironment": EACCES,
      "signalParent": EPERM, "unshare": EPERM, "mount": EPERM, "rawSocket": EPERM,
      "packetSocket": EAFNOSUPPORT, "keyctl": EPERM, "userfaultfd": EPERM, "secret": EACCES,
      "writeSecret": EACCES, "token": ENOENT,
    ]
    private static let needs = [
      "granted", "state", "resolvConf", "thread", "name", "socket",
    ]

    /// What the plugin found, and what the process says of itself.
    private struct Findings {
      var plugin: [String: Int32]
      var confinement: [String: Any]
      var log: String
    }

    /// - Parameter sandbox: a line of networks.yaml, or "".
    private func findings(_ sandbox: String, as wrapper: [String] = []) throws -> Findings {
      let plugins = try TestPlugins.build(["nosy"])
      let files = "/tmp/lndn\(UInt32.random(in: .min ... .max))"
      for name in ["secret", "granted"] {
        try FileManager.default.createDirectory(
          atPath: "\(files)/\(name)", withIntermediateDirectories: true)
        try "text".write(toFile: "\(files)/\(name)/file", atomically: true, encoding: .utf8)
      }
      try run("chmod", ["-R", "777", files])
      let daemon = try TestDaemon(
        configuration: """
          networks:
            odd:
              mode: nosy
              options: {secret: \(files)/secret/file, granted: \(files)/granted/file}
          \(sandbox)
          """, arguments: ["--plugin-dir", plugins.folder],
        wrapper: wrapper + ["env", "NOSY_TOKEN=1"])
      defer {
        daemon.stop()
        plugins.remove()
        try? FileManager.default.removeItem(atPath: files)
      }
      let started = try daemon.netd("network", "start", "odd")
      guard started.succeeded else { throw TestFailure("\(started) \(daemon.log)") }
      let result = try daemon.netd("network", "inspect", "odd", "--json")
      let report =
        try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any] ?? [:]
      let live = report["live"] as? [String: Any] ?? [:]
      let numbers = live["plugin"] as? [String: Int] ?? [:]
      return Findings(
        plugin: numbers.mapValues { Int32($0) },
        confinement: live["confinement"] as? [String: Any] ?? [:], log: daemon.log)
    }

    private func expectConfined(_ found: Findings) {
      for (attempt, expected) in Self.refusals {
        #expect(found.plugin[attempt] == expected, "\(attempt)")
      }
      for need in Self.needs { #expect(found.plugin[need] == 0, "\(need)") }
      #expect(found.confinement["systemCalls"] as? Bool == true, "\(found.confinement)")
      #expect((found.confinement["landlock"] as? Int ?? 0) > 0, "\(found.confinement)")
      #expect((found.confinement["missing"] as? [String])?.isEmpty == true, "\(found.confinement)")
    }

    @Test(.timeLimit(.minutes(1)))
    func aPluginReachesNothingButWhatItsNetworkNeeds() throws {
      let found = try findings("")
      expectConfined(found)
      let kept = found.confinement["capabilities"] as? [String]
      #expect(kept == (getuid() == 0 ? ["net_bind_service"] : []))
    }

    @Test(.timeLimit(.minutes(1)))
    func theSameHoldsForAProcessWithoutPrivileges() throws {
      try require(.nobody)
      let found = try findings(
        "", as: ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
      expectConfined(found)
      #expect(found.confinement["capabilities"] as? [String] == [])
    }

    @Test(.timeLimit(.minutes(1)))
    func sandboxOffLeavesFilesAndSystemCallsAlone() throws {
      let found = try findings("    sandbox: off")
      for attempt in ["execve", "secret", "writeSecret", "signalParent"] {
        #expect(found.plugin[attempt] == 0, "\(attempt)")
      }
      for need in Self.needs { #expect(found.plugin[need] == 0, "\(need)") }
      // By a list, all the same.
      #expect(found.plugin["token"] == ENOENT)
      #expect(found.confinement["systemCalls"] as? Bool == false)
    }
  }
}
