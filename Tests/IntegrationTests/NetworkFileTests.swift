// SPDX-License-Identifier: Apache-2.0
//
// network create, edit and delete, and the daemon that watches networks.yaml.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct NetworkFileTests {
    private static let file = """
      # mine
      networks:
        user-v2:
          mode: user-v2
          gateway: 192.168.104.1
        lab:
          mode: slirp   # for tests
      """

    @Test func aCreatedNetworkServesItsFirstGuestAtOnceAndCommentsStay() throws {
      try require(.tap)
      let daemon = try TestDaemon(configuration: Self.file)
      defer { daemon.stop() }
      let created = try daemon.netd(
        "network", "create", "fresh", "--gateway", "192.168.141.1/24")
      #expect(created.output.hasPrefix("fresh is created: user-v2, 192.168.141.0/24"), "\(created)")
      let text = try String(contentsOfFile: daemon.home + "/_config/networks.yaml", encoding: .utf8)
      #expect(text.hasPrefix("# mine\n") && text.contains("# for tests"))
      // The daemon knew it before the command ended.
      #expect(FileManager.default.fileExists(atPath: daemon.socket("qemu", of: "fresh")))
      let guest = try daemon.guest("ip -4 -o addr show", on: "fresh")
      #expect(guest.output.contains("192.168.141."), "\(guest)")
      // It runs on without guests, and not with a definition that is gone.
      let process = try #require(try daemon.hostProcess(of: "fresh"))
      let moved = try daemon.netd("network", "edit", "fresh", "--gateway", "192.168.140.1")
      #expect(moved.succeeded, "\(moved)")
      #expect(eventually { kill(Int32(process), 0) != 0 })
      let again = try daemon.guest("ip -4 -o addr show", on: "fresh")
      #expect(again.output.contains("192.168.140."), "\(again)")
      let next = try #require(try daemon.hostProcess(of: "fresh"))
      #expect(try daemon.netd("network", "delete", "fresh").succeeded)
      #expect(eventually { kill(Int32(next), 0) != 0 })
    }

    @Test func whatLimactlWritesIsServedWithoutASignal() throws {
      let daemon = try TestDaemon(configuration: Self.file)
      defer { daemon.stop() }
      // As os.WriteFile does: truncated, then written.
      try
        (Self.file
        + "\n  more:\n    mode: user-v2\n    gateway: 192.168.142.1\n    netmask: 255.255.255.0\n")
        .write(
          toFile: daemon.home + "/_config/networks.yaml", atomically: false, encoding: .utf8)
      #expect(
        eventually { FileManager.default.fileExists(atPath: daemon.socket("fd", of: "more")) })
    }

    @Test func whatCannotBeServedIsRefusedAndTheFileStays() throws {
      let daemon = try TestDaemon(configuration: Self.file)
      defer { daemon.stop() }
      let refused: [([String], String)] = [
        (["create", "lab", "--gateway", "192.168.143.1"], "network `lab` already exists"),
        (["create", "x", "--mode", "slurp"], "did you mean `slirp`?"),
        (["create", "x"], "network mode `user-v2` requires specifying gateway"),
        (["create", "x"], "lima-netd network create x --gateway 192.168."),
        (
          ["create", "x", "--mode", "shared"],
          "lima-netd network create x --mode shared --gateway 192.168."
        ),
        (["create", "x", "--gateway", "192.168.104.7"], "overlaps 192.168.104.0/24"),
        (["create", "a/b", "--gateway", "192.168.143.1"], "cannot be a name"),
        (["create", "b d", "--gateway", "bad"], "cannot be a name"),
        (["create", "lab"], "network edit lab"),
        (
          ["create", String(repeating: "n", count: 51), "--gateway", "192.168.143.1"],
          "a socket's path has at most 107"
        ),
        (["create", "ll", "--mode", "shared", "--gateway", "169.254.9.1"], "169.254.0.0/16"),
        (["create", "default", "--mode", "slirp"], "already exists"),
        (["delete", "labb"], "did you mean `lab`?"),
        (["edit", "nope", "--mode", "slirp"], "there is no network `nope`"),
        (["edit", "lab", "--gateway", "192.168.143"], "failed to parse CIDR"),
      ]
      for (words, text) in refused {
        let result = try run(
          Installation.daemon, ["network"] + words, environment: daemon.environment)
        #expect(!result.succeeded && result.errors.contains(text), "\(result)")
      }
      let text = try String(contentsOfFile: daemon.home + "/_config/networks.yaml", encoding: .utf8)
      #expect(text == Self.file)
    }

    @Test func `what is served and may not be meant is told, and what runs with old settings`()
      throws
    {
      let daemon = try TestDaemon(configuration: Self.file)
      defer { daemon.stop() }
      let open = try daemon.netd("network", "create", "open", "--gateway", "7.7.7.1")
      #expect(open.succeeded && open.errors.contains("not a private subnet"), "\(open)")
      let nowhere = try daemon.netd(
        "network", "create", "lan", "--mode", "bridged", "--interface", "nosuch0")
      #expect(nowhere.succeeded && nowhere.errors.contains("nosuch0 is not there"), "\(nowhere)")
      #expect(try daemon.netd("network", "start", "lab").output == "lab is started\n")
      let edited = try daemon.netd("network", "edit", "lab", "--gateway", "192.168.145.1")
      let started = try daemon.netd("network", "start", "lab").output
      #expect(
        edited.output.contains("network lab changed: gateway, netmask: from its next start on"))
      #expect(started.contains("lab runs, with the settings that it was started with"))
      for text in [edited.output, started] {
        #expect(text.contains("network stop lab --lima-home \(daemon.home) && "), "\(text)")
      }
    }

    @Test func `what only a guest would find is found by config check, and told by reload`() throws
    {
      let wrong = """
        networks:
          address:
            mode: slirp
            options: {address: 10.9.9.9}
          servers:
            mode: slirp
            dns: {options: {servers: [banana]}}
          rules: {mode: slirp, egress: internat}
          spelt: {mode: user-v2, gateway: 192.168.120.1, options: {mtuu: 1400}}
          bent: {mode: shard}
          good: {mode: slirp, options: {mtu: 9000}}
        """
      let places = [
        "networks.yaml:4:24: networks.address.options.address: ",
        "networks.yaml:7:31: networks.servers.dns.options.servers",
        "networks.yaml:8:32: networks.rules.egress: internat is no preset",
        "networks.yaml:9:60: networks.spelt.options.mtuu: unknown option: did you mean `mtu`?",
        "networks.yaml:10:16: network bent: ",
      ]
      let daemon = try TestDaemon(configuration: "networks:\n  good: {mode: slirp}\n")
      defer { daemon.stop() }
      let well = try daemon.netd("config", "check")
      #expect(well.succeeded && well.output.contains(", no mistake"), "\(well)")
      try daemon.write(configuration: "networks:\n  good: {mode: slirp}\ngroup: nogroupatall\n")
      let group = try daemon.netd("config", "check")
      #expect(
        group.succeeded && group.output.contains("networks.yaml:3:8: group: there is no group"),
        "\(group)")
      try daemon.write(configuration: wrong)
      let checked = try daemon.netd("config", "check", daemon.home + "/_config/networks.yaml")
      #expect(checked.status == 1 && checked.output.contains("5 mistakes"), "\(checked)")
      let reloaded = try daemon.netd("reload")
      #expect(reloaded.status == 1, "\(reloaded)")
      for place in places {
        #expect(checked.output.contains("error: \(daemon.home)/_config/" + place), "\(checked)")
        // Of a mode nobody serves the daemon says so without a place.
        let told = place.split(separator: ": ", maxSplits: 1)[1]
        #expect(reloaded.output.contains(told), "\(reloaded)")
      }
      #expect(try daemon.netd("network", "ls").output.contains("internat is no preset"))
      let json = try daemon.netd("config", "check", "--json")
      #expect(json.status == 1 && json.output.contains(#""severity": "error""#), "\(json)")
      // What is mended is not told any more.
      try daemon.write(configuration: wrong.replacing("internat", with: "internet"))
      let mended = try daemon.netd("reload")
      #expect(mended.output.contains("network rules changed: egress: in force"), "\(mended)")
      #expect(try !daemon.netd("network", "ls").output.contains("internat"))
    }

    @Test func `a fresh home gets Lima's whole file, and the network that is created its settings`()
      throws
    {
      let comments = [
        "# Guests that see each other", "# Guests with addresses that the host reaches",
        "# Guests on the network of an interface", "# Guests that see the host and each other",
      ]
      for (words, gateway, end) in [
        (["shared"], "192.168.105.1", "192.168.105.254"),
        (["shared", "--gateway", "192.168.115.1"], "192.168.115.1", "192.168.115.254"),
        (["mine", "--mode", "shared", "--gateway", "192.168.116.1"], "192.168.116.1", nil),
      ] {
        let daemon = try TestDaemon()
        defer { daemon.stop() }
        let created = try daemon.netd(["network", "create"] + words)
        #expect(created.succeeded, "\(created)")
        let network = try daemon.network(words[0])
        #expect(network["mode"] as? String == "shared")
        let options = network["options"] as? [String: Any]
        #expect(options?["gateway"] as? String == gateway, "\(network)")
        #expect(end == nil || options?["dhcpEnd"] as? String == end, "\(network)")
        for other in ["user-v2", "shared", "host", "bridged"] {
          #expect(try daemon.network(other)["mode"] as? String == other)
        }
        let text = try String(
          contentsOfFile: daemon.home + "/_config/networks.yaml", encoding: .utf8)
        for comment in comments { #expect(text.contains(comment), "\(comment): \(text)") }
        // A gateway elsewhere takes the end of DHCP along.
        let moved = try daemon.netd("network", "edit", "host", "--gateway", "192.168.107.1")
        #expect(moved.succeeded, "\(moved)")
      }
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let clash = try daemon.netd(
        "network", "create", "mine", "--mode", "shared", "--gateway", "192.168.105.1")
      #expect(clash.errors.contains("the subnet of `shared`, 192.168.105.0/24"), "\(clash)")
      #expect(clash.errors.contains("--mode shared --gateway 192.168.107.1"), "\(clash)")
      #expect(!FileManager.default.fileExists(atPath: daemon.home + "/_config/networks.yaml"))
    }

    @Test func aNetworkInUseIsDeletedByForceOnly() throws {
      try require(.tap)
      let daemon = try TestDaemon(configuration: Self.file)
      defer { daemon.stop() }
      let guest = try daemon.begin("exec", "lab", "--name", "box", "--", "sleep", "60")
      defer { guest.stop() }
      #expect(
        try eventually { try (daemon.network("lab")["guests"] as? [Any])?.count == 1 })
      let refused = try daemon.netd("network", "delete", "lab")
      #expect(refused.errors.contains("in use by box"), "\(refused)")
      try FileManager.default.createDirectory(
        atPath: daemon.home + "/vm", withIntermediateDirectories: true)
      try "networks:\n- lima: lab\n".write(
        toFile: daemon.home + "/vm/lima.yaml", atomically: true, encoding: .utf8)
      guest.stop()
      #expect(
        try eventually { try (daemon.network("lab")["guests"] as? [Any])?.isEmpty == true })
      let named = try daemon.netd("network", "delete", "lab")
      #expect(named.errors.contains("lima.yaml of vm"), "\(named)")
      let forced = try daemon.netd("network", "delete", "--force", "lab")
      #expect(forced.succeeded, "\(forced)")
      #expect(try eventually { try daemon.network("lab").isEmpty })
    }

    @Test func theEditorsTextIsTakenOverOnlyWithoutMistakes() throws {
      let daemon = try TestDaemon(configuration: Self.file, start: false)
      defer { daemon.stop() }
      func edit(_ script: String) throws -> CommandResult {
        try run(
          Installation.daemon, ["network", "edit"],
          environment: ["LIMA_HOME": daemon.home, "VISUAL": "sed -i '\(script)'"])
      }
      let path = daemon.home + "/_config/networks.yaml"
      let wrong = try edit("s/mode: slirp/mod: slirp/")
      #expect(!wrong.succeeded && wrong.errors.contains("did you mean `mode`?"), "\(wrong)")
      #expect(try String(contentsOfFile: path, encoding: .utf8) == Self.file)
      // The text with the mistake is what the editor opens next.
      let right = try edit("s/mod: slirp/mode: user-v2/;$a \\    gateway: 192.168.144.1")
      #expect(right.succeeded, "\(right)")
      #expect(
        try String(contentsOfFile: path, encoding: .utf8).contains("mode: user-v2   # for tests"))
      #expect(!FileManager.default.fileExists(atPath: path + ".edit"))
      let nothing = try edit("")
      #expect(nothing.output.contains("Nothing is changed"), "\(nothing)")
    }
  }
}
