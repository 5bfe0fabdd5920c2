// SPDX-License-Identifier: Apache-2.0
//
// Another version of the daemon in the running one's place: what goes on, and what becomes of one that cannot.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(4))) struct UpgradeTests {
    private static let script = Installation.fixtures + "/upgraded.py"

    /// The last number of a program that counts.
    private static func count(_ command: RunningCommand) -> Int {
      let line = command.output.split(separator: "\n").last { $0.hasPrefix("count ") }
      return line.flatMap { Int($0.dropFirst(6)) } ?? 0
    }

    private static func greets(_ port: Int) throws -> Bool {
      try run("python3", [script, "hello", "\(port)"]).output == "greetings\n"
    }

    /// What of the guests must be the same afterwards.
    private static func guests(_ daemon: TestDaemon) throws -> Set<String> {
      let guests = try JSONSerialization.jsonObject(
        with: Data(try daemon.netd("guest", "ls", "--json").output.utf8))
      return Set(
        (guests as? [[String: Any]] ?? []).map { guest in
          ["network", "name", "id", "since", "mac", "transport"].map { "\(guest[$0] ?? "")" }
            .joined(separator: " ")
        })
    }

    /// But for how many connections each has just now.
    private static func forwards(_ daemon: TestDaemon) throws -> Set<String> {
      let forwards = try JSONSerialization.jsonObject(
        with: Data(try daemon.netd("forward", "ls", "--json").output.utf8))
      return Set(
        (forwards as? [[String: Any]] ?? []).map { forward in
          ["network", "protocol", "host", "guest", "state", "temporary"]
            .map { "\(forward[$0] ?? "")" }.joined(separator: " ")
        })
    }

    private static func object(_ result: CommandResult) throws -> [String: Any] {
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any] ?? [:]
    }

    @Test func `connections, guests, forwards, names, leases and instances go on`() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon(arguments: ["--grace-period", "2s"])
      defer { daemon.stop() }
      let pid = daemon.processIdentifier
      let server = try RunningCommand("python3", [Self.script, "server"])
      #expect(eventually { server.output.contains("\n") })
      let serverPort = try #require(server.output.split(separator: "\n").first)
      let client = try daemon.begin(
        "exec", "default", "--name", "client", "--", "python3", Self.script, "client",
        "192.168.5.2", "\(serverPort)")
      let link = try RunningCommand(
        "python3", [Self.script, "link", daemon.socket("qemu", of: "user-v2")])
      let (published, added) = (try freePort(), try freePort())
      let one = try daemon.begin(
        "exec", "user-v2", "--name", "one", "-p", "\(published):80", "--", "python3", Self.script,
        "greet", "80")
      // An instance, with its guest.
      let directory = daemon.home + "/vm"
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      try "networks: [{lima: user-v2}]\n".write(
        toFile: directory + "/lima.yaml", atomically: true, encoding: .utf8)
      let up = try Self.object(try daemon.netd("instance", "up", directory, "--format", "json"))
      let ssh = try #require(up["sshLocalPort"] as? Int, "\(daemon.log)")
      let mac = try #require((up["interfaces"] as? [[String: Any]])?[0]["mac"] as? String)
      let instance = try daemon.begin(
        "exec", "user-v2", "--mac", mac, "--name", "vm", "--", "python3", Self.script, "greet",
        "22")
      defer { for guest in [server, client, link, one, instance] { guest.stop() } }
      #expect(
        try eventually {
          try Self.greets(published) && Self.greets(ssh) && Self.count(link) > 0
            && Self.count(server) > 0
        }, "\(one.errors)\(instance.errors)\(link.errors)\(daemon.log)")
      let leases = try daemon.netd("leases", "user-v2", "--json").output
      let address = try #require(leases.firstMatch(of: /"address": *"(192\.168\.104\.\d+)"/)?.1)
      let forward = try daemon.netd(
        "forward", "add", "--temporary", "user-v2", "tcp", "127.0.0.1:\(added)", "\(address):80")
      #expect(forward.succeeded, "\(forward)")
      let hosts = [try daemon.hostProcess(of: "default"), try daemon.hostProcess(of: "user-v2")]
      let guests = try Self.guests(daemon)
      #expect(guests.count == 4, "\(guests)")
      let names = ["dns", "query", "--network", "user-v2", "lima-vm.internal"]
      let named = try daemon.netd(names).output
      let instances = try daemon.netd("instance", "ls", "--json").output
      let forwards = try Self.forwards(daemon)
      #expect(!forwards.isEmpty)

      func goesOn(_ what: String) throws {
        let (sent, answered) = (Self.count(server), Self.count(link))
        #expect(
          eventually { Self.count(server) > sent && Self.count(link) > answered },
          "\(what): \(server.errors)\(client.errors)\(link.errors)\(daemon.log)")
        for command in [server, client, link, one, instance] {
          #expect(command.process.isRunning, "\(what): \(command.errors)")
        }
        #expect(
          [try daemon.hostProcess(of: "default"), try daemon.hostProcess(of: "user-v2")] == hosts,
          "\(what)")
        #expect(try Self.guests(daemon) == guests, "\(what)")
        #expect(try Self.greets(published) && Self.greets(ssh), "\(what): \(daemon.log)")
        #expect(try Self.forwards(daemon) == forwards, "\(what)")
        #expect(try daemon.netd("instance", "ls", "--json").output == instances, "\(what)")
        #expect(try daemon.netd(names).output.contains("192.168.104"), "\(what): \(named)")
        #expect(
          try daemon.netd("leases", "user-v2", "--json").output.contains(String(address)),
          "\(what)")
      }
      let file = daemon.home + "/upgraded.pcap"
      let capture = try daemon.begin("capture", "default", "-w", file)
      defer { capture.stop() }
      func captured() -> Int { (try? Data(contentsOf: URL(filePath: file)).count) ?? 0 }
      #expect(eventually { captured() > 1000 }, "\(capture.errors)")

      let upgrade = try daemon.netd("upgrade", "--json")
      let report = try Self.object(upgrade)
      #expect(upgrade.succeeded && report["state"] as? String == "done", "\(upgrade)\(daemon.log)")
      #expect(report["networks"] as? [String] == ["default", "user-v2"], "\(report)")
      #expect(report["guests"] as? Int == 4, "\(report)")
      #expect(try daemon.status()["pid"] as? Int == Int(pid))
      try goesOn("after an upgrade")
      // The process that is captured has not ended, and frames come again.
      #expect(
        eventually { capture.errors.contains("another daemon has taken network default over") },
        "\(capture.errors)")
      let size = captured()
      #expect(eventually { captured() > size }, "\(capture.errors)")
      #expect(!capture.errors.contains("has ended"), "\(capture.errors)")
      capture.stop()

      kill(pid, SIGUSR2)
      #expect(
        eventually {
          daemon.log.split(separator: "\n").count { $0.contains("upgraded from") } == 2
        },
        "\(daemon.log)")
      try goesOn("after SIGUSR2")

      // It dies: the next one is given everything by the new supervisor.
      kill(Int32(try #require(hosts[1])), SIGKILL)
      let answered = Self.count(link)
      #expect(
        try eventually {
          try daemon.hostProcess(of: "user-v2") != hosts[1] && Self.count(link) > answered
            && Self.greets(published) && Self.greets(ssh)
        }, "\(link.errors)\(daemon.log)")
      #expect(try Self.guests(daemon) == guests)
      let second = try daemon.hostProcess(of: "user-v2")
      let restart = try daemon.netd("network", "restart", "user-v2")
      #expect(restart.succeeded && restart.output.contains("has a new process"), "\(restart)")
      #expect(try daemon.hostProcess(of: "user-v2") != second)
      let before = Self.count(link)
      #expect(
        try eventually { try Self.count(link) > before && Self.greets(published) }, "\(daemon.log)")
      #expect(try Self.guests(daemon) == guests)
      #expect(Self.count(server) > 0 && server.process.isRunning)

      for guest in [client, link, one, instance] { guest.stop() }
      #expect(try daemon.netd("instance", "down", "vm").succeeded)
      #expect(
        try eventually {
          try daemon.network("default")["state"] as? String == "stopped"
            && daemon.network("user-v2")["state"] as? String == "stopped"
        }, "\(daemon.log)")
    }

    @Test func `a program that does not come up leaves the running one serving`() throws {
      try require(.tap, .program("python3"))
      let folder = "/tmp/lnu\(UInt32.random(in: .min ... .max))"
      let program = folder + "/lima-netd"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let files = try FileManager.default.contentsOfDirectory(atPath: Installation.products)
      for file in files where file.hasPrefix("lima-netd-") || file.hasPrefix("liblima-") {
        try FileManager.default.createSymbolicLink(
          atPath: "\(folder)/\(file)", withDestinationPath: "\(Installation.products)/\(file)")
      }
      try run("cp", [Installation.daemon, program])
      // As `sh` would, without being its child.
      let daemon = try TestDaemon(
        wrapper: ["sh", "-c", "shift; exec \(program) \"$@\"", "sh"])
      defer { daemon.stop() }
      func upgrade() throws -> CommandResult {
        try run(Installation.daemon, ["upgrade"], environment: daemon.environment)
      }
      let link = try RunningCommand(
        "python3", [Self.script, "link", daemon.socket("qemu", of: "user-v2")])
      defer { link.stop() }
      #expect(eventually { Self.count(link) > 0 }, "\(link.errors)\(daemon.log)")
      try FileManager.default.moveItem(atPath: program, toPath: program + ".good")
      func write(_ text: String, mode: Int) throws {
        // Another file: the running one's is not written to.
        try? FileManager.default.removeItem(atPath: program)
        try text.write(toFile: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: program)
      }
      let verdict = #"echo '{"version":"9.9"}'"#
      let cases: [(name: String, text: String?, mode: Int, words: String)] = [
        ("removed", nil, 0, "there is no \(program) any more"),
        ("not executable", "x", 0o644, "Permission denied"),
        ("no program", "\u{7f}ELF", 0o755, "does not come up"),
        ("exits 1", "#!/bin/sh\necho broken >&2\nexit 1\n", 0o755, "status 1: broken"),
        ("says nothing", "#!/bin/sh\n", 0o755, "does not come up"),
        (
          "refuses",
          "#!/bin/sh\necho '{\"version\":\"9.9\",\"error\":{\"code\":\"UNSUPPORTED\",\"message\":\"no\"}}'\n",
          0o755, "version 9.9 does not go on with this daemon: no"
        ),
        (
          "is gone after its check",
          "#!/bin/sh\n[ -e \(folder)/seen ] && rm -f \"$0\"\ntouch \(folder)/seen\n\(verdict)\n",
          0o755, "execv"
        ),
      ]
      for (name, text, mode, words) in cases {
        if let text { try write(text, mode: mode) }
        let result = try upgrade()
        #expect(!result.succeeded && result.errors.contains(words), "\(name): \(result)")
        let before = Self.count(link)
        #expect(eventually { Self.count(link) > before }, "\(name): \(link.errors)")
        let status = try run(Installation.daemon, ["status"], environment: daemon.environment)
        #expect(status.succeeded, "\(name): \(status)")
      }
      // What this version says of another's state.
      let state = folder + "/state"
      try #"{"header":{"format":"lima-netd supervisor","version":2,"program":"9.9"}}"#
        .write(toFile: state, atomically: true, encoding: .utf8)
      let check = try run(
        "sh", ["-c", "\(Installation.daemon) upgrade-check -- serve <\(state)"],
        environment: daemon.environment)
      #expect(check.output.contains("UNSUPPORTED") && check.output.contains("9.9"), "\(check)")

      try? FileManager.default.removeItem(atPath: program)
      try FileManager.default.moveItem(atPath: program + ".good", toPath: program)
      let result = try upgrade()
      #expect(result.succeeded, "\(result)\(daemon.log)")
      let before = Self.count(link)
      #expect(eventually { Self.count(link) > before }, "\(link.errors)")
    }
  }
}
