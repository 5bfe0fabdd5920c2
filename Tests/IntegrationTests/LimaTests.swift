// SPDX-License-Identifier: Apache-2.0
//
// Lima's way with a user-v2 network, and instances, on real parts.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct LimaTests {
    /// A guest that greets at ports 22 and 7000 of either family, as an SSH server does; with the host's name that a Lima guest has.
    private static let greeter = """
      import socket, time
      time.sleep(DELAY)
      import select
      def listen(port): return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
      all = [listen(22), listen(7000)]
      print("up", flush=True)
      while True:
          for s in select.select(all, [], [])[0]:
              c, _ = s.accept(); c.sendall(b"SSH-2.0-test\\r\\n"); c.close()
      """

    private func greeter(
      _ daemon: TestDaemon, _ network: String, mac: String, delay: Int = 0
    ) throws -> RunningCommand {
      try daemon.begin(
        "exec", network, "--mac", mac, "--name", "greeter", "--", "python3", "-c",
        Self.greeter.replacingOccurrences(of: "DELAY", with: "\(delay)"))
    }

    private func answer(_ daemon: TestDaemon, _ path: String, _ arguments: String...) throws
      -> CommandResult
    {
      try run(
        "curl",
        [
          "-sS", "-m", "20", "--unix-socket", daemon.socket("ep", of: "user-v2"),
          "http://lima" + path,
        ]
          + arguments)
    }

    @Test func anUnmodifiedLimaFindsTheNetworkRunningAndUsesIt() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let mac = "52:55:55:00:00:07"
      // It opens its port long after Lima has begun to wait for it, and longer than gvproxy's HTTP
      // server would keep an answer open (10 s).
      let guest = try greeter(daemon, "user-v2", mac: mac, delay: 13)
      defer { guest.stop() }
      let port = try freePort()
      let result = try run(
        "python3",
        [
          Installation.fixtures + "/limactl.py", daemon.home, "user-v2", mac, "\(port)", "lima-x",
        ], seconds: 90)
      #expect(result.succeeded, "\(result)\n\(guest.errors)\n\(daemon.log)")
      for line in [
        "running", "connected", "lease 192.168.104.", "exposed", "named", "open after",
        "greeting SSH-2.0-test", "tunnel SSH-2.0-test", "unexposed", "stopped", "there again",
      ] {
        #expect(result.output.contains(line), "\(line): \(result)")
      }
      let waited = result.output.firstMatch(of: /open after ([0-9.]+)/)?.output.1
      #expect(waited.flatMap { Double($0) } ?? 0 > 10, "\(result)")
    }

    @Test func aNameGoesWithItsGuestThoughLimaNeverTakesItBack() throws {
      try require(.tap, .program("curl"), .program("dig"))
      let daemon = try TestDaemon(arguments: ["--grace-period", "60s"])
      defer { daemon.stop() }
      let mac = "52:55:55:00:00:08"
      let guest = try greeter(daemon, "user-v2", mac: mac)
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("up") }, "\(guest.errors)")
      let leases = try answer(daemon, "/leases").output
      let address = try #require(
        (try JSONSerialization.jsonObject(with: Data(leases.utf8)) as? [String: String])?
          .first { $0.value == mac }?.key)
      let added = try answer(
        daemon, "/services/dns/add", "-d",
        #"{"Name":"example.","Records":[{"Name":"vm","IP":"\#(address)"}]}"#)
      #expect(added.output.isEmpty && added.succeeded, "\(added)")
      func ask() throws -> String {
        try daemon.netd("dns", "query", "vm.example", "--network", "user-v2").output
      }
      let there = try eventually { try ask().contains(address) }
      #expect(there)
      guest.stop()
      let gone = try eventually { try !ask().contains(address) }
      #expect(gone)
    }

    @Test func gvproxysClientsFindItsAPI() throws {
      try require(.tap, .program("python3"), .program("curl"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let mac = "52:55:55:00:00:0a"
      let linger = try RunningCommand(
        "python3",
        [Installation.fixtures + "/hyperkit.py", daemon.socket("ep", of: "user-v2"), mac],
        environment: ["LINGER": "60"])
      defer { linger.stop() }
      #expect(
        eventually { linger.output.contains("pong over two bytes of length") },
        "\(linger.output)\(linger.errors)\n\(daemon.log)")
      let address = try #require(
        linger.output.firstMatch(of: /address (192\.168\.104\.\d+)/)?.output.1)
      let leases = try answer(daemon, "/services/dhcp/leases").output
      #expect(leases.contains("\"\(address)\":\"\(mac)\""), "\(leases)")
      let cam = try answer(daemon, "/cam").output
      #expect(cam.contains("\"\(mac)\":1"), "\(cam)")
      // It is what the switch has learned, not who has a lease: two stations behind one link.
      let speaker = """
        import socket, time
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(([name for _, name in socket.if_nameindex() if name != "lo"][0], 0))
        for source in "52555500000b", "52555500000c":
            s.send(bytes.fromhex("ffffffffffff" + source + "88b5") + bytes(46))
        time.sleep(60)
        """
      let bridge = try daemon.begin(
        "exec", "user-v2", "--mac", "52:55:55:00:00:0c", "--", "python3", "-c", speaker)
      defer { bridge.stop() }
      var table = ""
      let both = try eventually {
        table = try answer(daemon, "/cam").output
        let links = try? JSONSerialization.jsonObject(with: Data(table.utf8)) as? [String: Int]
        let link = links?["52:55:55:00:00:0c"]
        return link != nil && link == links?["52:55:55:00:00:0b"]
      }
      #expect(both, "\(table)\(bridge.errors)")
      let stats = try answer(daemon, "/stats").output
      let counters = try JSONSerialization.jsonObject(with: Data(stats.utf8)) as? [String: Int]
      #expect((counters?["BytesReceived"] ?? 0) > 600, "\(stats)")
      #expect((counters?["BytesSent"] ?? 0) > 600, "\(stats)")
      // Nothing listens in that guest: a wait of two seconds is one.
      let wait = try answer(
        daemon, "/extension/wait_port?ip=\(address)&port=22&timeout=2", "-w", "%{http_code}")
      #expect(wait.output.hasSuffix("408") && wait.seconds > 1.9, "\(wait)")
      let port = try freePort()
      let body = #"{"local":"127.0.0.1:\#(port)","remote":"\#(address):80"}"#
      for (path, expected) in [
        ("expose", "200"), ("expose", "proxy already running for tcp on 127.0.0.1:\(port)\n500"),
        ("unexpose", "200"), ("unexpose", "proxy not found\n500"),
      ] {
        let result = try answer(
          daemon, "/services/forwarder/" + path, "-d", body, "-w", "%{http_code}")
        #expect(result.output == expected, "\(path): \(result)")
      }
    }

    @Test func anInstanceIsUpWithItsForwardsAndNames() throws {
      try require(.tap, .program("python3"), .program("dig"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let directory = daemon.home + "/vm"
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      let (port, six, all) = (try freePort(), try freePort(), try freePort())
      try """
      networks: [{lima: user-v2}]
      hostResolver: {hosts: {my.test: 10.9.8.7}}
      portForwards:
      - {guestPort: 7000, hostPort: \(port), static: true, proto: tcp}
      - {guestPort: 7000, hostIP: "::1", hostPort: \(six), static: true, proto: tcp}
      - {guestPort: 7000, guestIP: "::", hostIP: "::", hostPort: \(all), static: true, proto: tcp}
      """.write(toFile: directory + "/lima.yaml", atomically: true, encoding: .utf8)
      let up = try daemon.netd("instance", "up", directory, "--format", "json")
      #expect(up.succeeded, "\(up)\n\(daemon.log)")
      let report = try #require(
        try JSONSerialization.jsonObject(with: Data(up.output.utf8)) as? [String: Any])
      let ssh = try #require(report["sshLocalPort"] as? Int)
      let interfaces = try #require(report["interfaces"] as? [[String: Any]])
      let mac = try #require(interfaces[0]["mac"] as? String)
      #expect(interfaces.count == 1 && interfaces[0]["network"] as? String == "user-v2")
      let guest = try greeter(daemon, "user-v2", mac: mac)
      defer { guest.stop() }
      let client = """
        import socket
        with socket.create_connection(("127.0.0.1", \(ssh)), 5) as s: print(s.recv(100))
        """
      let greets = try eventually {
        try run("python3", ["-c", client]).output == "b'SSH-2.0-test\\r\\n'\n"
      }
      // By IPv6 on the host's side, to the same guest; `::` is both families, as in Lima.
      for (address, port) in [("::1", six), ("::1", all), ("127.0.0.1", all)] {
        let greets = try run(
          "python3",
          [
            "-c",
            "import socket; print(socket.create_connection(('\(address)', \(port)), 5).recv(100))",
          ])
        #expect(greets.output == "b'SSH-2.0-test\\r\\n'\n", "\(greets)\n\(daemon.log)")
      }
      let forwards = try daemon.netd("forward", "ls").output
      for host in ["[::1]:\(six)", "*:\(all)"] {
        #expect(forwards.contains(host), "\(host): \(forwards)")
      }
      let after = try daemon.netd("instance", "ls").output
      #expect(greets, "\(after)\n\(daemon.log)")
      let names = try daemon.guest(
        "dig +short my.test; dig +short lima-vm.internal", on: "user-v2")
      let address = try #require(
        (try daemon.netd("instance", "ls").output).firstMatch(of: /192\.168\.104\.\d+/)?.output)
      #expect(names.output.contains("10.9.8.7"), "\(names)\n\(daemon.log)")
      #expect(names.output.contains(address), "\(names)")
      let list = try daemon.netd("instance", "ls")
      #expect(list.output.contains("4 open"), "\(list)")
      let down = try daemon.netd("instance", "down", "vm")
      #expect(down.succeeded, "\(down)")
      let refused = try run("python3", ["-c", client])
      #expect(refused.errors.contains("ConnectionRefusedError"), "\(refused)")
    }

    @Test func qemuArgumentsBootAVirtualMachineOnItsNetworks() throws {
      try require(.virtualMachine, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      try "networks: [{lima: user-v2}]\n".write(
        toFile: daemon.home + "/vm.yaml", atomically: true, encoding: .utf8)
      let up = try daemon.netd("instance", "up", daemon.home + "/vm.yaml")
      #expect(up.succeeded && up.output.contains("vm is up"), "\(up)")
      let arguments = try daemon.netd("qemu-args", daemon.home + "/vm.yaml", "--shell")
      #expect(arguments.succeeded, "\(arguments)")
      let script = daemon.home + "/job"
      try """
      udhcpc -i eth0 -q -n -t 10 -T 1 -f -s /etc/udhcpc.script >/dev/null 2>&1
      cat /run/lease; cat /sys/class/net/eth0/address
      ping -c 1 -W 5 192.168.104.2
      ip=$(sed -n 's/^ip=//p' /run/lease)
      for second in 1 2 3 4 5 6 7 8; do
        nslookup -type=a lima-vm.internal | grep -q "$ip" && echo "its name is known" && break
        sleep 1
      done
      """.write(toFile: script, atomically: true, encoding: .utf8)
      let result = try run(
        Installation.root + "/Tests/Guest/run-guest",
        ["-t", "120", "-q", arguments.output, Installation.guest, "-", script], seconds: 150)
      #expect(result.succeeded, "\(result)")
      let list = try daemon.netd("instance", "ls", "--json")
      let mac = try #require(list.output.firstRange(of: /52:55:55:[0-9a-f:]{8}/))
      #expect(result.output.contains(list.output[mac]), "\(result)\n\(list)")
      for line in ["ip=192.168.104.", "1 packets received", "its name is known"] {
        #expect(result.output.contains(line), "\(line): \(result)")
      }
    }
  }
}
