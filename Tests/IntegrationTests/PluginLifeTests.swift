// SPDX-License-Identifier: Apache-2.0
//
// What the ABI promises plugins and their users, from networks.yaml to a guest: chains of DNS plugins and private answers,
// plain frames, leases given back, datagram uplinks, options that nobody is to read, and questions that a plugin dies of.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct PluginLifeTests {
    /// What a network's process says of a plugin: "plugin" or "dnsPlugin".
    private func counters(
      _ daemon: TestDaemon, _ network: String, of plugin: String = "plugin"
    ) throws -> [String: Any] {
      let result = try daemon.netd("network", "inspect", network, "--json")
      let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
      let live = (value as? [String: Any])?["live"] as? [String: Any]
      return live?[plugin] as? [String: Any] ?? [:]
    }

    @Test
    func `plugins of networks.yaml stand behind each other, and what is private is each guest's`()
      throws
    {
      try require(.tap, .program("dig"), .program("make"))
      let zone = try ExamplePlugin(zone: "lab.zone")
      defer { zone.remove() }
      try
        "$ORIGIN lab.test.\n$TTL 60\n@ SOA ns h 1 1h 15m 1w 300\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.80\nprivate A 192.0.2.81\n"
        .write(toFile: zone.zone, atomically: true, encoding: .utf8)
      let folder = try compilePlugin("HostTests/Fixtures/relay.c", "lima-dns-relay.so")
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let daemon = try TestDaemon(
        configuration: """
          networks:
            lab:
              mode: user-v2
              gateway: 192.168.150.2
              dns:
                plugins: [relay, {plugin: zone, options: {file: \(zone.zone)}}]

          """, arguments: ["--plugin-dir", folder, "--plugin-dir", zone.folder])
      defer { daemon.stop() }
      let dig = "dig +short +time=5 +tries=1 @192.168.150.2"
      let first = try daemon.begin(
        "exec", "lab", "--name", "one", "--", "sh", "-c",
        "\(dig) www.lab.test; \(dig) private.lab.test; echo done; exec sleep 100")
      defer { first.stop() }
      #expect(eventually { first.output.contains("done") }, "\(first.errors)")
      #expect(
        first.output == "192.0.2.80\n192.0.2.81\ndone\n",
        "\(first.output)\n\(daemon.log(of: "lab"))")
      let before = try counters(daemon, "lab", of: "dnsPlugin")
      #expect(before["name"] as? String == "one" && before["hasPort"] as? Int == 1, "\(before)")
      // What the relay refuses never comes to the zone; the same again is the cache's, what is private is not.
      let second = try daemon.guest(
        "\(dig) www.lab.test; \(dig) private.lab.test; dig @192.168.150.2 big.lab.test", on: "lab",
        options: ["--name", "two"])
      #expect(second.output.hasPrefix("192.0.2.80\n192.0.2.81\n"), "\(second)")
      #expect(second.output.contains("status: REFUSED"), "\(second)")
      let after = try counters(daemon, "lab", of: "dnsPlugin")
      #expect(after["name"] as? String == "two", "\(after)")
      let asked = (after["count"] as? Int ?? 0) - (before["count"] as? Int ?? 0)
      #expect(asked == 2, "\(before) \(after)")
    }

    @Test(arguments: [true, false])
    func `a plugin that wants plain frames has no checksum left to it, whatever guests offload`(
      plain: Bool
    ) throws {
      try require(.tap, .program("python3"))
      let folder = try compilePlugin(
        "IntegrationTests/Fixtures/plugins/plain.c", "lima-net-plain.so",
        plain ? "-DPLAIN" : "-DFULL")
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let daemon = try TestDaemon(
        configuration: "networks:\n  p:\n    mode: plain\n", arguments: ["--plugin-dir", folder])
      defer { daemon.stop() }
      // To everybody, whole and as a super-frame of three (UDP_SEGMENT, where the kernel has it).
      let sent = try daemon.guest(
        """
        python3 - <<'END'
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        to = ("10.96.0.255", 9999)
        for n in range(5): s.sendto(bytes([n]) * 1001, to)
        try:
            s.setsockopt(17, 103, 1000)
            s.sendto(bytes(3000), to)
        except OSError as error:
            print(error)
        END
        """, on: "p")
      #expect(sent.succeeded, "\(sent)")
      let least = plain ? 5 : 1
      #expect(
        try eventually { (try counters(daemon, "p")["udp"] as? Int ?? 0) >= least },
        "\(sent) \(daemon.log(of: "p"))")
      let counts = try counters(daemon, "p")
      if plain {
        #expect(counts["due"] as? Int == 0 && counts["super"] as? Int == 0, "\(counts)")
        #expect(counts["wrong"] as? Int == 0 && counts["longest"] as? Int ?? 0 <= 1514, "\(counts)")
      } else {
        #expect(counts["due"] as? Int ?? 0 > 0, "\(counts)")
      }
      // The guest has gone, and gave its address back.
      #expect(try eventually { try counters(daemon, "p")["released"] as? Int == 1 })
    }

    @Test func `a datagram uplink goes on when nobody listened at its other end`() throws {
      try require(.tap, .program("python3"))
      let folder = try compilePlugin(
        "IntegrationTests/Fixtures/plugins/plain.c", "lima-net-plain.so")
      defer { try? FileManager.default.removeItem(atPath: folder) }
      // A port that is nobody's: it was somebody's just now.
      let free = try run(
        "python3",
        [
          "-c",
          "import socket; s = socket.socket(type=2); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])",
        ])
      let port = free.output.trimmingCharacters(in: .whitespacesAndNewlines)
      let daemon = try TestDaemon(
        configuration: "networks:\n  p:\n    mode: plain\n    options: {uplink: \(port)}\n",
        arguments: ["--plugin-dir", folder])
      defer { daemon.stop() }
      let guest = try daemon.begin(
        "exec", "p", "--", "python3", "-uc",
        """
        import socket, time
        s = socket.socket(type=2)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for n in range(2000):
            s.sendto(b"hello", ("10.96.0.255", 9999))
            time.sleep(0.05)
            if n == 20: print("refused")
        """)
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("refused") }, "\(guest.errors)")
      #expect(try counters(daemon, "p")["down"] as? Int == 0, "\(daemon.log(of: "p"))")
      let listener = try run(
        "python3",
        [
          "-c",
          "import socket; s = socket.socket(type=2); s.bind(('127.0.0.1', \(port))); s.settimeout(30); print(len(s.recv(9000)) >= 42)",
        ], seconds: 60)
      #expect(listener.output == "True\n", "\(listener) \(daemon.log(of: "p"))")
      #expect(try daemon.network("p")["restarts"] as? Int == 0)
    }

    @Test(arguments: ["slirp", "user-v2"])
    func
      `a question that its DNS plugin dies of is asked of the next process, or answered SERVFAIL`(
        mode: String
      ) throws
    {
      try require(.tap, .program("dig"))
      let folder = try compilePlugin(
        "IntegrationTests/Fixtures/plugins/fragile.c", "lima-dns-fragile.so")
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let daemon = try TestDaemon(
        configuration: """
          networks:
            n:
              mode: \(mode)
              gateway: 192.168.151.2
              dns: fragile

          """, arguments: ["--plugin-dir", folder])
      defer { daemon.stop() }
      // One question each, without a second try: whoever has no answer says so after a minute.
      let server = mode == "slirp" ? "192.168.151.3" : "192.168.151.2"
      let asked = try daemon.guest(
        "for name in once always; do dig +tries=1 +time=60 @\(server) $name.test; done", on: "n",
        seconds: 150)
      #expect(asked.output.contains("status: NXDOMAIN"), "\(asked)\n\(daemon.log(of: "n"))")
      #expect(asked.output.contains("status: SERVFAIL"), "\(asked)\n\(daemon.log(of: "n"))")
      #expect(daemon.log(of: "n").contains("asked again"), "\(daemon.log(of: "n"))")
      #expect((try daemon.network("n")["restarts"] as? Int ?? 0) >= 3)
    }

    @Test func `an option that nobody is to read is read nowhere`() throws {
      try require(.tap, .program("dig"))
      let folder = try compilePlugin(
        "IntegrationTests/Fixtures/plugins/fragile.c", "lima-dns-fragile.so")
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let secret = "52:55:55:98:76:54"
      func text(_ options: String) -> String {
        "networks:\n  n:\n    mode: slirp\n    dns:\n      plugin: fragile\n      options: {\(options)}\n"
      }
      let daemon = try TestDaemon(
        configuration: text("secret: \"\(secret)\""), arguments: ["--plugin-dir", folder])
      defer { daemon.stop() }
      let asked = try daemon.guest("dig +tries=1 +time=30 @192.168.5.3 once.test", on: "n")
      #expect(asked.output.contains("NXDOMAIN"), "\(asked)\n\(daemon.log(of: "n"))")
      var said: [CommandResult] = []
      for words in [
        ["status"], ["status", "--json"], ["network", "ls"], ["network", "inspect", "n"],
        ["network", "inspect", "n", "--json"], ["config", "check", "--plugin-dir", folder],
      ] { said.append(try daemon.netd(words)) }
      for result in said {
        #expect(result.succeeded && !result.output.contains(secret), "\(result)")
      }
      #expect(said[4].output.contains("(hidden)"), "\(said[4])")
      #expect(!daemon.log.contains(secret))
      // What a plugin prints by itself is its own affair; what it says by the ABI is not.
      let lines = daemon.log(of: "n").split(separator: "\n").filter { $0.contains(secret) }
      #expect(lines.allSatisfy { $0.hasPrefix("last words") }, "\(lines)")

      // A value that is wrong, and one that the plugin refuses, are told without it.
      try daemon.write(configuration: text("secret: \"not-a-\(secret)\""))
      let wrong = try daemon.netd("config", "check", "--plugin-dir", folder)
      #expect(wrong.status == 1 && wrong.output.contains(":6:25:"), "\(wrong)")
      #expect(wrong.output.contains("(hidden)") && !wrong.output.contains(secret), "\(wrong)")
      try daemon.write(configuration: text("secret: \"\(secret)\", refuse: true"))
      #expect(try daemon.netd("network", "stop", "n").succeeded)
      #expect(try daemon.netd("reload").succeeded)
      let refused = try daemon.netd("network", "start", "n")
      #expect(
        !refused.succeeded && refused.errors.contains("networks.n.dns.options.secret"), "\(refused)"
      )
      #expect(!refused.errors.contains(secret) && refused.errors.contains("(hidden)"), "\(refused)")
    }

    @Test func `networks.yaml has a schema that an editor can check it with`() throws {
      try require(.program("python3"))
      let plugins = try TestPlugins.build(["hello"])
      defer { plugins.remove() }
      let schema = try run(
        Installation.daemon, ["config", "schema", "--plugin-dir", plugins.folder])
      #expect(schema.succeeded, "\(schema)")
      let file = plugins.folder + "/schema.json"
      try schema.output.write(toFile: file, atomically: true, encoding: .utf8)
      let script = """
        import json, sys
        try:
            import jsonschema
        except ImportError:
            print("absent"); sys.exit(0)
        schema = json.load(open(sys.argv[1]))
        jsonschema.Draft202012Validator.check_schema(schema)
        check = jsonschema.Draft202012Validator(schema)
        def errors(value): return ["/".join(map(str, e.absolute_path)) for e in check.iter_errors(value)]
        net = lambda **keys: {"networks": {"n": keys}}
        assert errors({}) == [] and errors({"networks": None}) == []
        assert errors(net(mode="slirp", gateway="192.168.7.2", egress="internet", watchdog=30)) == []
        assert errors(net(mode="slirp", options={"forwardSource": "client"})) == []
        assert errors(net(mode="hello", options={})) == [] and errors(net(mode="other", options={"x": 1})) == []
        assert errors(net(mode="slirp", dns={"plugins": ["x", {"plugin": "hostdns", "options": {"timeout": 3}}]})) == []
        assert errors(net(mode="slirp", dns={"hosts": {"a.test": ["10.0.0.1"], "b.test": "a.test"}})) == []
        for wrong in [{"network": {}}, net(gateway="1.2.3.4"), net(mode="slirp", gatway="1.2.3.4"),
                      net(mode="slirp", options={"nonsense": 1}), net(mode="slirp", dns={"options": {"nonsense": 1}}),
                      net(mode="slirp", watchdog=0), net(mode="slirp", dns={"plugin": "hostdns", "options": {"timeout": "x"}})]:
            assert errors(wrong), wrong
        print("fine")
        """
      let checked = try run("python3", ["-c", script, file])
      if checked.output == "absent\n" { try Test.cancel("python3-jsonschema is not installed") }
      #expect(checked.output == "fine\n", "\(checked)")
    }
  }
}
