// SPDX-License-Identifier: Apache-2.0
//
// Plugins that refuse their options, do not start, or do not stop
// (Fixtures/plugins/awkward.c), and what the user is told.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct AwkwardPluginTests {
    /// A daemon with a network "odd" of these options, given as YAML of one line.
    private func daemon(
      _ plugins: TestPlugins, _ options: String, watchdog: String = "10"
    ) throws -> TestDaemon {
      try TestDaemon(
        configuration:
          "networks:\n  odd:\n    mode: awkward\n    options: \(options)\n    watchdog: \(watchdog)\n",
        arguments: ["--plugin-dir", plugins.folder])
    }

    @Test func aRefusedOptionIsNamedByItsPlace() throws {
      let plugins = try TestPlugins.build(["awkward"])
      let daemon = try daemon(plugins, "{at: create, calendar: {day: 30}}")
      defer { daemon.stop(); plugins.remove() }
      let result = try daemon.netd("network", "start", "odd")
      #expect(result.status == 1, "\(result)")
      let text = "networks.odd.options.calendar.day: there is no such day (plugin awkward)"
      #expect(result.errors.contains(text), "\(result)")
      #expect(result.errors.contains("networks.yaml:4:"), "\(result)")
      #expect(try daemon.netd("status").output.contains(text))
      #expect(daemon.log.contains(text))
    }

    @Test(arguments: [
      ("{calender: {}}", "4:15", "calender"), ("{calendar: {day: 32}}", "4:31", "calendar.day"),
      ("{calendar: {day: soon}}", "4:31", "calendar.day"), ("{at: 7}", "4:19", "options.at"),
      ("7", "4:14", "options"),
    ])
    func whatBreaksTheSchemaIsNamedByItsPlace(options: String, place: String, key: String) throws {
      let plugins = try TestPlugins.build(["awkward"])
      defer { plugins.remove() }
      // Where the daemon reads it at once, or when the network starts.
      let result: CommandResult
      if let daemon = try? daemon(plugins, options) {
        defer { daemon.stop() }
        result = try daemon.netd("network", "start", "odd")
      } else {
        let daemon = try TestDaemon(
          configuration: "networks:\n  odd:\n    mode: awkward\n    options: \(options)\n",
          start: false)
        defer { daemon.stop() }
        result = try daemon.netd("serve", seconds: 10)
      }
      #expect(result.status > 0, "\(result)")
      #expect(
        result.errors.contains("networks.yaml:\(place)") && result.errors.contains(key),
        "\(result)")
    }

    @Test func aPluginThatDoesNotStartSaysWhy() throws {
      let plugins = try TestPlugins.build(["awkward"])
      let daemon = try daemon(plugins, "{at: start}")
      defer { daemon.stop(); plugins.remove() }
      let result = try daemon.netd("network", "start", "odd")
      #expect(result.status == 1, "\(result)")
      #expect(result.errors.contains("the moon is not up (plugin awkward)"), "\(result)")
    }

    @Test(arguments: ["silent-stop", "stuck-stop"])
    func aPluginThatDoesNotStopIsEndedAfterFiveSeconds(at place: String) throws {
      let plugins = try TestPlugins.build(["awkward"])
      let daemon = try daemon(plugins, "{at: \(place)}")
      defer { daemon.stop(); plugins.remove() }
      #expect(try daemon.netd("network", "start", "odd").succeeded)
      let host = try #require(try daemon.hostProcess(of: "odd"))
      let result = try daemon.netd("network", "stop", "odd")
      #expect(result.succeeded && (4.5...20).contains(result.seconds), "\(result)")
      #expect(kill(Int32(host), 0) != 0, "it lives on")
      #expect(daemon.log.contains("its process did not end well"), "\(daemon.log)")
      // And again: nothing of it is left.
      #expect(try daemon.netd("network", "start", "odd").succeeded)
      // The daemon itself does not wait longer for it, either.
      kill(daemon.processIdentifier, SIGTERM)
      let ended = try #require(daemon.command).wait(seconds: 10)
      #expect(ended.status == 0 && !FileManager.default.fileExists(atPath: daemon.socket("fd")))
    }

    @Test func aStuckPluginHoldsUpNoQuestion() throws {
      try require(.program("python3"))
      let plugins = try TestPlugins.build(["awkward"])
      let daemon = try daemon(plugins, "{at: stuck-rx}", watchdog: "off")
      defer { daemon.stop(); plugins.remove() }
      let frame = try run(
        "python3",
        [
          "-c",
          """
          import socket, struct, time
          s = socket.socket(socket.AF_UNIX); s.connect("\(daemon.socket("qemu", of: "odd"))")
          s.sendall(struct.pack(">I", 60) + b"\\xff" * 60); time.sleep(2)
          """,
        ])
      #expect(frame.succeeded, "\(frame)")
      #expect(try daemon.netd("status", seconds: 5).succeeded)
      #expect(try daemon.netd("network", "ls", seconds: 5).succeeded)
      for words in [["leases"], ["network", "inspect", "odd"], ["forward", "ls"]] {
        let result = try run(
          Installation.daemon, words, environment: daemon.environment, seconds: 5)
        #expect(result.succeeded, "\(result)")
      }
      let leases = try daemon.netd("leases", "odd", seconds: 5)
      #expect(
        leases.errors.contains("does not respond: rx of network plugin awkward"), "\(leases)")
      #expect(try daemon.netd("network", "stop", "odd", seconds: 10).succeeded)
    }
  }
}
