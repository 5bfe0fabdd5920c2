// SPDX-License-Identifier: Apache-2.0
//
// A network of mode shared beside Lima's own helper for Linux, of which Fixtures/lima-privileged-net has what matters: a
// bridge with the gateway's address, a dnsmasq on it, a pid file.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(5))) struct LimaBridgeTests {
    private struct Scene {
      let tap: HostTapScene
      let run: String
      let helper: RunningCommand

      init() throws {
        tap = try HostTapScene(configuration: nil, start: false)
        run = tap.daemon.home + "/run"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        try tap.daemon.write(
          configuration: "paths: {varRun: \(run)}\nnetworks:\n  shared: {mode: shared}\n")
        let file = "\(run)/shared_lima-privileged-net.pid"
        helper = try tap.begin(
          tap.host.wrapper,
          [
            "\(Installation.fixtures)/lima-privileged-net", "start", "--pidfile=\(file)",
            "--mode=shared", "--bridge=lima-shared", "--gateway=192.168.105.1",
            "--netmask=255.255.255.0", "--dhcp-end=192.168.105.254",
          ])
        guard eventually({ FileManager.default.fileExists(atPath: file) }) else {
          throw TestFailure("no helper of Lima's: \(helper.errors)")
        }
      }

      /// With the helper killed its dnsmasq has no parent that ends it.
      func stop() {
        let file = "\(run)/shared_lima-privileged-net.pid.dnsmasq"
        let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
        tap.stop()
        if let pid = Int32(text.filter(\.isNumber)), pid > 1 { kill(pid, SIGKILL) }
      }

      /// A machine on the network, and what its DHCP client and `script` say.
      func client(_ name: String, _ script: String) throws -> CommandResult {
        let machine = try Namespace()
        defer { machine.remove() }
        let link = try tap.daemon.begin(
          "attach", "shared", "--netns", "/proc/\(machine.processIdentifier)/ns/net",
          "--no-config", "--name", name, "--tap", "lan0")
        defer { link.stop() }
        guard eventually({ link.output.contains("lan0") }) else {
          throw TestFailure("no link: \(link.errors)\n\(tap.daemon.log)")
        }
        return try machine.shell(
          """
          ip link set lan0 up
          busybox udhcpc -i lan0 -q -n -f -t 10 -T 2 -s \(Installation.fixtures)/udhcpc.script
          \(script)
          """, seconds: 60)
      }
    }

    private static var needs: [Requirement] {
      [.tap, .program("dnsmasq"), .program("busybox"), .program("ping")]
    }

    @Test func `a bridge that is kept is joined, and its DHCP and DNS are the guests'`() throws {
      for need in Self.needs { try require(need) }
      let scene = try Scene()
      defer { scene.stop() }
      try scene.tap.daemon.start()
      let doctor = try scene.tap.daemon.netd("doctor")
      #expect(doctor.output.contains("keeps lima-shared for it, which is joined"), "\(doctor)")

      let client = try scene.client(
        "one",
        """
        ping -c 1 -W 5 192.168.105.1
        busybox nslookup -type=a from.dnsmasq 192.168.105.1
        """)
      #expect(client.output.contains("router 192.168.105.1 dns 192.168.105.1"), "\(client)")
      #expect(client.output.contains("1 received"), "\(client)")
      #expect(client.output.contains("192.0.2.77"), "\(client)")
      let port = try scene.tap.host.shell("ip -o link show master lima-shared")
      #expect(port.output.contains("-shared"), "\(port)")
      // One owner of the subnet, and one server of leases.
      let owners = try scene.tap.host.shell("ip -4 -o addr | grep -c 192.168.105.1")
      #expect(owners.output == "1\n", "\(owners)")
      let leases = try String(
        contentsOfFile: "\(scene.run)/shared_lima-privileged-net.pid.leases", encoding: .utf8)
      #expect(leases.split(separator: "\n").count == 1, "\(leases)")
      let listing = try scene.tap.daemon.netd("network", "ls")
      #expect(
        listing.output.contains("a port of lima-shared, which Lima's own helper keeps"),
        "\(listing)")
      #expect(scene.tap.daemon.log.contains("keeps the bridge lima-shared"))
    }

    @Test func `a bridge that nobody keeps is an error, and with it gone all is our own`() throws {
      for need in Self.needs { try require(need) }
      let scene = try Scene()
      defer { scene.stop() }
      // As after kill -9: bridge, dnsmasq and file stay.
      kill(scene.helper.process.processIdentifier, SIGKILL)
      #expect(eventually { !scene.helper.process.isRunning })
      try scene.tap.daemon.start()
      let refused = try scene.tap.daemon.netd("network", "start", "shared")
      #expect(!refused.succeeded, "\(refused)")
      for words in [
        "is on interface lima-shared already, which has 192.168.105.1/24",
        "left over from Lima's own helper", "there is no process",
        "sudo ip link del lima-shared",
      ] {
        #expect(refused.errors.contains(words), "\(words): \(refused)")
      }
      let doctor = try scene.tap.daemon.netd("doctor")
      #expect(doctor.output.contains("lima-shared is left over"), "\(doctor)")
      let setup = try scene.tap.daemon.netd("network", "setup", "shared")
      #expect(
        setup.errors.contains("lima-shared is left over")
          && setup.errors.contains("sudo ip link del lima-shared"), "\(setup)")

      try scene.tap.host.shell("ip link del lima-shared")
      let started = try scene.tap.daemon.netd("network", "start", "shared")
      #expect(started.succeeded, "\(started)")
      let own = try scene.tap.host.shell("ip -4 -o addr | grep 192.168.105.1")
      #expect(own.output.contains("-shared"), "\(own)")
    }

    @Test func `an interface of setup is not used beside another's of the same subnet`() throws {
      for need in Self.needs { try require(need) }
      try require(.root)
      let scene = try HostTapScene(configuration: "networks:\n  shared: {mode: shared}\n")
      defer { scene.stop() }
      let setup = try scene.daemon.netd("network", "setup", "shared", "--user", "0")
      #expect(setup.succeeded, "\(setup)")
      try scene.host.shell("ip addr add 192.168.105.77/25 dev own")
      let refused = try scene.daemon.netd("network", "start", "shared")
      #expect(
        !refused.succeeded
          && refused.errors.contains("is on interface own already, which has 192.168.105.77/25"),
        "\(refused)")
    }
  }
}
