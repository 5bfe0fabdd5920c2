// SPDX-License-Identifier: Apache-2.0
//
// What the command line says: listings for people, whose first line is the answer,
// and for programs; and errors, which name the remedy.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct ListingTests {
    /// Each listing, and what its first line begins with, with one guest and one forward.
    private static let listings: [([String], String)] = [
      (["network", "ls"], "NAME"),
      (["network", "inspect", "default"], "default is running, with 1 guest"),
      (["leases"], "ADDRESS"),
      (["leases", "default"], "ADDRESS"),
      (["status"], "lima-netd "),
      (["plugin", "ls"], "KIND"),
      (["plugin", "info", "slirp"], "slirp (network plugin)"),
      (["plugin", "info", "hostdns"], "hostdns (dns plugin)"),
      (["forward", "ls"], "NETWORK"),
      (["forward", "ls", "default"], "NETWORK"),
      (["dns", "query", "host.lima.internal"], "host.lima.internal."),
    ]

    @Test func everyListingIsForPeopleAndForPrograms() throws {
      try require(.tap)
      let daemon = try TestDaemon(
        configuration: "networks:\n  nobodys:\n    mode: vde\n")
      defer { daemon.stop() }
      let guest = try daemon.begin("exec", "default", "--name", "box", "--", "sleep", "60")
      defer { guest.stop() }
      let port = try freePort()
      let added = try daemon.netd(
        "forward", "add", "default", "tcp", "\(port)", "192.168.5.15:80")
      #expect(added.output.contains("tcp 127.0.0.1:\(port) leads to 192.168.5.15:80"), "\(added)")
      #expect(
        try eventually {
          try (daemon.network("default")["guests"] as? [Any])?.count == 1
            && daemon.netd("leases").output.contains("192.168.5.15")
        })
      for (words, first) in Self.listings {
        let text = try run(Installation.daemon, words, environment: daemon.environment)
        #expect(text.succeeded && text.output.hasPrefix(first), "\(text)")
        let json = try run(
          Installation.daemon, words + ["--json"], environment: daemon.environment)
        let value = try? JSONSerialization.jsonObject(with: Data(json.output.utf8))
        #expect(json.succeeded && value != nil, "\(json)")
        #expect(json.errors.isEmpty, "\(json)")
        let rows = (value as? [Any])?.count ?? 1
        let lines = try run(
          Installation.daemon, words + ["--json=lines"], environment: daemon.environment)
        #expect(lines.output.split(separator: "\n").count == rows, "\(lines)")
      }
      try changes(daemon, port: port)
      let unclaimed = try daemon.netd("network", "start", "nobodys")
      #expect(
        !unclaimed.succeeded && unclaimed.errors.contains("shared, slirp, user-v2"), "\(unclaimed)")
      let stopped = try daemon.netd("network", "stop", "default")
      #expect(stopped.output.hasPrefix("default is stopped"), "\(stopped)")
      #expect(try daemon.network("default")["state"] as? String == "stopped")
      let started = try daemon.netd("network", "start", "default")
      #expect(started.output.hasPrefix("default is started"), "\(started)")
      #expect(try daemon.hostProcess(of: "default") != nil)
    }

    /// Commands that change something say by --json what it is now.
    private func changes(_ daemon: TestDaemon, port: Int) throws {
      func said(_ words: String...) throws -> [String: Any] {
        let result = try run(
          Installation.daemon, words + ["--json"], environment: daemon.environment)
        let value = try? JSONSerialization.jsonObject(with: Data(result.output.utf8))
        return try #require(
          (value as? [Any])?.first as? [String: Any] ?? value as? [String: Any], "\(result)")
      }
      let folder = daemon.home + "/new"
      let told: [([String: Any], [String: String])] = [
        (
          try said("forward", "rm", "default", "tcp", "\(port)"),
          ["network": "default", "protocol": "tcp", "host": "127.0.0.1:\(port)"]
        ),
        (
          try said("forward", "add", "default", "tcp", "\(port)", "192.168.5.15:80"),
          ["host": "127.0.0.1:\(port)", "state": "open"]
        ),
        (
          try said("network", "create", "lab", "--gateway", "192.168.143.1", "--force"),
          ["name": "lab", "mode": "user-v2", "subnet": "192.168.143.0/24"]
        ),
        (
          try said("network", "edit", "lab", "--gateway", "192.168.144.1", "--force"),
          ["gateway": "192.168.144.1"]
        ),
        (try said("network", "start", "lab"), ["name": "lab", "state": "running"]),
        (try said("network", "stop", "lab"), ["name": "lab", "state": "stopped"]),
        (try said("network", "delete", "lab"), ["name": "lab"]),
        (
          try said("plugin", "new", "mine", "--dir", folder, "--sdk", Installation.root + "/SDK"),
          ["file": "lima-net-mine.so"]
        ),
        (try said("--version"), ["abi": "1.0"]),
      ]
      for (value, expected) in told {
        for (key, text) in expected {
          let found = value[key] as? String
          #expect(key == "abi" ? found != nil : found == text, "\(key): \(value)")
        }
      }
      let logs = try daemon.netd("logs", "-n", "2", "--json=lines")
      #expect(
        logs.output.split(separator: "\n").count == 2 && logs.output.hasPrefix("{\"time\":"),
        "\(logs)")
    }

    @Test func aHomeThatIsAFileIsNoDirectoryWhereverItIsNamed() throws {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let file = daemon.home + "/file"
      #expect(FileManager.default.createFile(atPath: file, contents: nil))
      for words in [
        ["status"], ["exec", "default", "--", "true"], ["serve"], ["logs"], ["network", "ls"],
        ["network", "create", "x", "--gateway", "192.168.143.1"], ["service", "install"],
      ] {
        let result = try run(
          Installation.daemon, words, environment: ["LIMA_HOME": file], seconds: 20)
        #expect(!result.succeeded && result.errors.contains("\(file) is no directory"), "\(result)")
      }
      let doctor = try run(
        Installation.daemon, ["doctor", "slirp"], environment: ["LIMA_HOME": file])
      #expect(doctor.output.contains("\(file) is no directory"), "\(doctor)")
      #expect(!doctor.output.contains("networks.yaml is refused"), "\(doctor)")
    }

    @Test func aHomeWhoseNetworksAreRootsIsToldByLogsToo() throws {
      try require(.nobody)
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let networks = daemon.home + "/_networks"
      try FileManager.default.createDirectory(
        atPath: networks, withIntermediateDirectories: false)
      try run("chown", ["65534", daemon.home])
      for mode in ["755", "700"] {
        try run("chmod", [mode, networks])
        let result = try run(
          "setpriv",
          [
            "--reuid", "65534", "--regid", "65534", "--clear-groups", Installation.daemon, "logs",
          ], environment: daemon.environment)
        #expect(
          !result.succeeded && result.errors.contains("sudo chown -R nobody: \(networks)"),
          "\(result)")
      }
    }

    @Test func withoutADaemonTheCommandThatStartsOneIsNamed() throws {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      for words in [
        ["network", "ls"], ["network", "inspect", "default"], ["leases"], ["status"],
        ["forward", "ls"], ["forward", "rm", "default", "tcp", "80"],
      ] {
        let result = try run(Installation.daemon, words, environment: daemon.environment)
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(result.errors.contains("lima-netd serve --lima-home \(daemon.home)"), "\(result)")
      }
      // The plugins are there without a daemon.
      #expect(try daemon.netd("plugin", "ls").output.contains("slirp"))
    }

    @Test func whatCannotBeWrittenOrIsNoCommandIsAFailure() throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      for words in ["network ls", "status --json", "--help", "completions bash"] {
        let full = try run(
          "sh", ["-c", "'\(Installation.daemon)' \(words) >/dev/full"],
          environment: daemon.environment)
        #expect(full.status == 1, "\(full)")
        #expect(full.errors.contains("Standard output could not be written"), "\(full)")
        // A reader that has had enough is none.
        let cut = try run(
          "sh", ["-c", "'\(Installation.daemon)' \(words) | true"],
          environment: daemon.environment)
        #expect(cut.errors.isEmpty, "\(cut)")
      }
      let unknown = try daemon.netd("statsu")
      #expect(unknown.status == 64, "\(unknown)")
      #expect(unknown.errors.contains("no command `statsu`. Did you mean `status`?"), "\(unknown)")
      let option = try daemon.netd("network", "ls", "--jsno")
      #expect(option.status == 64 && option.errors.contains("Did you mean '--json'?"), "\(option)")
      let waits = try daemon.netd(
        "forward", "add", "default", "tcp", "\(freePort())", "192.168.5.15:80", "--guest", "nope")
      #expect(
        waits.output.contains("will lead") && waits.output.contains("there is no guest nope"),
        "\(waits)")
      let command = try daemon.netd("exec", "default", "curl", "-s", "x")
      #expect(
        command.status == 64
          && command.errors.contains("lima-netd exec default -- curl -s x"), "\(command)")
      let port = try daemon.netd("forward", "add", "default", "tcp", "99999", "192.168.5.15:80")
      #expect(port.status == 1 && port.errors.contains("`99999` is no port"), "\(port)")
      #expect(!port.errors.contains("Usage:"), "\(port)")
    }

    @Test func anUnknownNetworkIsAnsweredWithThoseThereAre() throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      for words in [
        ["network", "inspect", "nope"], ["network", "start", "nope"], ["network", "stop", "nope"],
        ["leases", "nope"], ["forward", "ls", "nope"],
        ["forward", "add", "nope", "tcp", "8080", "192.168.5.15:80"],
        ["forward", "rm", "nope", "tcp", "8080"], ["capture", "nope", "-w", "/dev/null"],
        ["dns", "query", "localhost", "--network", "nope"],
      ] {
        let result = try run(
          Installation.daemon, words, environment: daemon.environment, seconds: 10)
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(result.errors.contains("there are default, user-v2"), "\(result)")
      }
      let typo = try daemon.netd("network", "inspect", "defualt")
      #expect(typo.errors.contains("did you mean `default`"), "\(typo)")
    }

    @Test func anUnknownNetworkIsToldToAGuest() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let result = try daemon.guest("true", on: "nope")
      #expect(result.status == 125, "\(result)")
      #expect(result.errors.contains("there are default, user-v2"), "\(result)")
    }

    @Test(arguments: [
      (["xcp", "8080", "192.168.5.15:80"], "tcp"), (["tcp", "8080", "80"], "192.168.5.15:80"),
      (["tcp", "127.0.0.1", "192.168.5.15:80"], "127.0.0.1:8080"),
      (["tcp", "127.0.0.1:99999", "192.168.5.15:80"], "`99999` is no port"),
      (["tcp", "8080", "192.168.5.15:0"], "`0` is no port: a port is 1 to 65535"),
      (["tcp", "8080", "10.9.8.7:80"], "10.9.8.7"),
      (["unix", "/no/such/folder/f.sock", "192.168.5.15:80"], "/no/such/folder/f.sock"),
      (["tcp", "192.0.2.77:8080", "192.168.5.15:80"], "192.0.2.77:8080"),
    ])
    func aForwardThatCannotBeSaysWhatIsWrong(words: [String], text: String) throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let result = try run(
        Installation.daemon, ["forward", "add", "default"] + words,
        environment: daemon.environment)
      #expect(result.status > 0 && result.errors.contains(text), "\(result)")
      #expect(try daemon.netd("forward", "ls").output == "No forwards.\n")
    }
  }
}
