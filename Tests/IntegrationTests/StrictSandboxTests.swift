// SPDX-License-Identifier: Apache-2.0
//
// `sandbox: strict`: what a plugin reaches in one (Fixtures/plugins/nosy.c tries), and that networks serve their guests in it.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.serialized, .timeLimit(.minutes(3))) struct StrictSandboxTests {
    private static let nobody = [
      "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
    ]
    /// What each attempt comes to.
    private static let refusals: [String: [Int32]] = [
      "execve": [EPERM], "ptrace": [EPERM], "readParent": [EPERM], "signalParent": [EPERM],
      "parentsEnvironment": [ENOENT, EACCES], "unshare": [EPERM], "mount": [EPERM],
      "rawSocket": [EPERM], "packetSocket": [EAFNOSUPPORT], "unixSocket": [EAFNOSUPPORT],
      "crypto": [EAFNOSUPPORT], "keyctl": [EPERM], "userfaultfd": [EPERM], "process": [EPERM],
      "code": [EPERM], "proc": [ENOENT], "etc": [ENOENT], "programs": [ENOENT],
      "secret": [ENOENT], "writeSecret": [ENOENT], "leave": [ENOENT], "writeEtc": [EACCES, EROFS],
    ]

    @Test(arguments: [[], nobody])
    func aPluginReachesNothingButItsSocketsAndItsState(wrapper: [String]) throws {
      if !wrapper.isEmpty { try require(.nobody) }
      let plugins = try TestPlugins.build(["nosy"])
      let secret = "/tmp/lnds\(UInt32.random(in: .min ... .max))"
      try "text".write(toFile: secret, atomically: true, encoding: .utf8)
      try run("chmod", ["666", secret])
      let daemon = try TestDaemon(
        configuration: """
          dns: {options: {resolver: forward}}
          networks:
            odd: {mode: nosy, sandbox: strict, options: {secret: \(secret)}}
          """, arguments: ["--plugin-dir", plugins.folder], wrapper: wrapper)
      defer {
        daemon.stop()
        plugins.remove()
        try? FileManager.default.removeItem(atPath: secret)
      }
      let started = try daemon.netd("network", "start", "odd")
      guard started.succeeded else {
        throw TestFailure("\(started) \(daemon.log) \(daemon.log(of: "odd"))")
      }
      let result = try daemon.netd("network", "inspect", "odd", "--json")
      let report =
        try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any] ?? [:]
      let live = report["live"] as? [String: Any] ?? [:]
      let found = (live["plugin"] as? [String: Int] ?? [:]).mapValues { Int32($0) }
      for (attempt, expected) in Self.refusals {
        #expect(found[attempt].map { expected.contains($0) } == true, "\(attempt): \(found)")
      }
      for need in ["state", "resolvConf", "thread", "socket"] {
        #expect(found[need] == 0, "\(need): \(found)")
      }
      let confinement = live["confinement"] as? [String: Any] ?? [:]
      #expect(confinement["sandbox"] as? String == "strict", "\(confinement)")
      #expect(confinement["systemCalls"] as? Bool == true, "\(confinement)")
      #expect((confinement["missing"] as? [String])?.isEmpty == true, "\(confinement)")
      let kept = confinement["capabilities"] as? [String]
      #expect(kept == (wrapper.isEmpty && getuid() == 0 ? ["net_bind_service"] : []))
      let status = try daemon.netd("network", "inspect", "odd")
      #expect(status.output.contains("strict"), "\(status)")
      // It is process 1 of its own namespace.
      let process = try #require(report["host"] as? [String: Any])["pid"] as? Int ?? 0
      let numbers = try run("grep", ["^NSpid:", "/proc/\(process)/status"]).output
      #expect(numbers.split(whereSeparator: \.isWhitespace).last == "1", "\(numbers)")
    }

    private static func configuration(_ dns: String = "{resolver: forward}") -> String {
      """
      dns: {options: \(dns)}
      networks:
        lab: {mode: user-v2, gateway: 192.168.122.1, sandbox: strict}
        each: {mode: slirp, sandbox: strict}
      """
    }

    /// Each network's address of the host.
    private static let networks = [("lab", "192.168.122.2"), ("each", "192.168.5.2")]

    private func echoes(_ port: Int, _ daemon: TestDaemon) throws -> Bool {
      try run(
        "python3",
        [
          "-c",
          """
          import socket
          for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
              s = socket.socket(socket.AF_INET, kind); s.settimeout(5); s.connect(("127.0.0.1", \(port)))
              s.sendall(b"hello"); assert s.recv(5) == b"hello"
          """,
        ], seconds: 20
      ).succeeded
    }

    @Test(arguments: [[], nobody])
    func networksServeTheirGuestsInIt(wrapper: [String]) throws {
      try require(.tap, .program("python3"), .program("tcpdump"))
      if !wrapper.isEmpty { try require(.nobody, .tapForAll) }
      let daemon = try TestDaemon(configuration: Self.configuration(), wrapper: wrapper)
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      for (network, host) in Self.networks {
        let guest = try daemon.begin(
          "exec", network, "--name", "echo", "--", "python3", "-c", echoServers)
        defer { guest.stop() }
        #expect(
          eventually { guest.output.contains("up") },
          "\(guest.errors) \(daemon.log) \(daemon.log(of: network))")
        let process = try #require(try daemon.hostProcess(of: network))

        let port = try freePort()
        let address = try guestAddress("echo", daemon)
        for kind in ["tcp", "udp"] {
          let added = try daemon.netd(
            "forward", "add", network, kind, "127.0.0.1:\(port)", "\(address):7000")
          #expect(added.succeeded, "\(added)")
        }
        #expect(try eventually { try echoes(port, daemon) }, "\(daemon.log(of: network))")

        // One that comes later: names, TCP, UDP, pings of the host, and what the network owns.
        let script = """
          ping -c 1 -W 5 \(host) >/dev/null && echo pinged
          python3 - <<'END'
          import socket, urllib.request as u
          print(u.urlopen("http://\(host):\(servers.ports.http)/", timeout=10).read())
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)
          s.connect(("\(host)", \(servers.ports.udp))); s.send(b"x" * 9); print("udp", len(s.recv(99)) > 0)
          print("host", socket.getaddrinfo("host.lima.internal", 1, socket.AF_INET)[0][4][0])
          END
          """
        let file = "\(daemon.home)/\(network).pcap"
        let capture = try daemon.begin("capture", network, "-w", file)
        defer { capture.stop() }
        let other = try daemon.guest(script, on: network)
        for word in ["pinged", "Hello from the host.", "udp True", "host \(host)"] {
          #expect(other.output.contains(word), "\(word): \(other) \(daemon.log(of: network))")
        }
        #expect(
          eventually {
            let size = try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int
            return size ?? 0 > 1000
          }, "\(capture.errors)")

        // Options and DNS that change while it runs.
        try daemon.write(configuration: Self.configuration("{resolver: forward, timeout: 2}"))
        let reloaded = try daemon.netd("reload")
        #expect(reloaded.succeeded, "\(reloaded)")
        #expect(try daemon.hostProcess(of: network) == process)
        let network = network
        #expect(
          eventually { daemon.log(of: network).contains("from now on") },
          "\(reloaded) \(daemon.log(of: network))")
        try daemon.write(configuration: Self.configuration())
        try daemon.netd("reload")

        // It dies, and the next one has its guests and forwards.
        kill(Int32(process), SIGKILL)
        #expect(
          try eventually {
            let next = try daemon.hostProcess(of: network)
            return try next != nil && next != process && echoes(port, daemon)
          }, "\(daemon.log)")
        #expect(!daemon.log(of: network).contains("not confined in full"))
      }
    }

    @Test func namesFollowTheHostsFiles() throws {
      try require(.root, .tap, .program("dnsmasq"), .program("dig"))
      let host = try HostWithFiles(
        ["127.0.0.1": ["moved.test,192.0.2.1"], "127.0.0.2": ["moved.test,192.0.2.2"]], hosts: "")
      try host.namespace.shell(host.resolvConf("127.0.0.1"))
      let daemon = try host.daemon()
      defer { daemon.stop(); host.remove() }
      try daemon.write(configuration: Self.configuration())
      #expect(try daemon.netd("reload").succeeded)
      let result = try daemon.guest(
        """
        ask() { dig @192.168.5.3 +time=3 +tries=1 +short moved.test; }
        ask; \(host.resolvConf("127.0.0.2"))
        i=0; until [ "$(ask)" = 192.0.2.2 ] || [ $i -gt 100 ]; do i=$((i + 1)); sleep 0.1; done; ask
        """, on: "each", seconds: 60)
      #expect(result.output == "192.0.2.1\n192.0.2.2\n", "\(result) \(daemon.log(of: "each"))")
    }

    @Test func aNetworkThatCannotHaveItSaysWhy() throws {
      let daemon = try TestDaemon(
        configuration: """
          networks:
            libc: {mode: slirp, sandbox: strict}
            file: {mode: slirp, sandbox: strict, dns: {options: {resolver: forward, resolvConf: /tmp/x}}}
          """)
      defer { daemon.stop() }
      for (network, words) in [
        ("libc", "networks.libc.sandbox: strict cannot be had: DNS plugin hostdns"),
        ("file", "an option names /tmp/x"),
      ] {
        let started = try daemon.netd("network", "start", network)
        #expect(started.status != 0 && started.errors.contains(words), "\(started)")
        #expect(
          started.errors.contains("networks.yaml:\(network == "libc" ? 2 : 3):"), "\(started)")
      }
    }
  }
}
