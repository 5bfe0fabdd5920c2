// SPDX-License-Identifier: Apache-2.0
//
// The examples of the SDK at work: a blocklist before another DNS plugin, a network in Swift, a tunnel to the kernel's vxlan.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct PluginExampleTests {
    private static let examples = Installation.root + "/SDK/examples"

    /// `make OUT=...` of an example, into a new folder.
    private func make(_ example: String, _ file: String, _ variables: String...) throws -> String {
      let folder = "/tmp/lndx\(UInt32.random(in: .min ... .max))"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let built = try run(
        "make",
        ["-C", "\(Self.examples)/\(example)", "OUT=\(folder)/\(file)"]
          + variables.map { $0.replacingOccurrences(of: "FOLDER", with: folder) }, seconds: 280)
      guard built.succeeded else { throw TestFailure("\(built)") }
      return folder
    }

    private func check(_ file: String, _ options: String = "{}") throws {
      let result = try run(
        Installation.daemon, ["plugin", "check", file, "--options", options], seconds: 120)
      #expect(result.succeeded && result.output.contains(" 0 failed, 0 skipped"), "\(result)")
    }

    @Test
    func `a blocklist answers for what it blocks, and asks the plugin behind it for the rest`()
      throws
    {
      try require(.tap, .program("make"), .program("dig"))
      if let reason = Requirement.program("cargo").missing {
        try Test.cancel(Comment(rawValue: reason))
      }
      let zone = try ExamplePlugin(zone: "lab.zone")
      defer { zone.remove() }
      let folder = try make("4-blocklist", "lima-dns-blocklist.so", "TARGET=FOLDER/target")
      defer { try? FileManager.default.removeItem(atPath: folder) }
      try check(folder + "/lima-dns-blocklist.so", "{\"names\":[\"a.example\"]}")
      try "# more\n0.0.0.0 ns.lab.test\n".write(
        toFile: folder + "/list", atomically: true, encoding: .utf8)
      let daemon = try TestDaemon(
        configuration: """
          networks:
            lab:
              mode: slirp
              dns:
                plugins:
                  - plugin: blocklist
                    options: {names: [big.lab.test], file: \(folder)/list}
                  - plugin: zone
                    options: {file: \(zone.zone)}

          """, arguments: ["--plugin-dir", folder, "--plugin-dir", zone.folder])
      defer { daemon.stop() }
      let answers = try daemon.guest(
        "for n in www.lab.test big.lab.test x.ns.lab.test; do dig +tries=1 @192.168.5.3 $n; done",
        on: "lab")
      #expect(answers.output.contains("192.0.2.80"), "\(answers) \(daemon.log(of: "lab"))")
      #expect(answers.output.components(separatedBy: "status: NXDOMAIN").count == 3, "\(answers)")
      #expect(answers.output.contains("EDE: 15 (Blocked)"), "\(answers)")
      let wrong = try daemon.netd("network", "inspect", "lab", "--json")
      #expect(wrong.output.contains(#/"blocked" ?: ?2/#), "\(wrong)")
      // What is wrong in the list of one of them is told by its line.
      try daemon.write(
        configuration: """
          networks:
            lab:
              mode: slirp
              dns:
                plugins:
                  - plugin: blocklist
                    options: {names: big.lab.test}
                  - hostdns

          """)
      let checked = try daemon.netd(
        "config", "check", "--plugin-dir", folder, "--plugin-dir", zone.folder)
      #expect(checked.status == 1, "\(checked)")
      #expect(
        checked.output.contains(":7:28:") && checked.output.contains("options.names"), "\(checked)")
    }

    @Test func `the network in Swift gives guests addresses and names, also new ones`() throws {
      try require(.tap, .program("make"), .program("swift"))
      let folder = try make("5-lab", "lima-net-lab.so", "SCRATCH=FOLDER/build")
      defer { try? FileManager.default.removeItem(atPath: folder) }
      try check(folder + "/lima-net-lab.so")
      let daemon = try TestDaemon(
        configuration: "networks:\n  study:\n    mode: lab\n", arguments: ["--plugin-dir", folder])
      defer { daemon.stop() }
      let first = try daemon.begin(
        "exec", "study", "--name", "first", "--", "sh", "-c", "echo here; exec sleep 100")
      defer { first.stop() }
      #expect(eventually { first.output.contains("here") }, "\(first.errors)")
      let pings = try daemon.guest(
        "ping -c 1 -W 5 gateway.lab && ping -c 1 -W 5 first.lab", on: "study")
      #expect(pings.succeeded, "\(pings) \(daemon.log(of: "study"))")
      #expect(try daemon.netd("guest", "rename", "study", "first", "second").succeeded)
      let renamed = try daemon.guest(
        "ping -c 1 -W 5 second.lab && ! ping -c 1 -W 5 first.lab", on: "study")
      #expect(renamed.succeeded, "\(renamed) \(daemon.log(of: "study"))")
      #expect(try daemon.netd("leases", "study").output.contains("10.98.0."))
    }

    @Test func `the tunnel joins a guest with the kernel's vxlan on another host`() throws {
      try require(.tap, .root, .program("make"), .program("ethtool"))
      let folder = try make(
        "6-vxlan", "lima-net-vxlan.so", "HEADERS=\(Installation.root)/Sources/PluginAPI/include")
      defer { try? FileManager.default.removeItem(atPath: folder) }
      try check(folder + "/lima-net-vxlan.so", "{\"remote\":\"127.0.0.1\",\"listen\":0}")
      let (here, there, guest) = (try Namespace(), try Namespace(), try Namespace())
      defer { for machine in [here, there, guest] { machine.remove() } }
      let wired = try here.shell(
        """
        set -e
        ip link add left type veth peer name right
        ip link set right netns \(there.processIdentifier)
        ip addr add 192.0.2.1/24 dev left
        ip link set left up
        """)
      try #require(wired.succeeded, "\(wired)")
      let other = try there.shell(
        """
        set -e
        # Checksums of what is in the tunnel are the wire's to complete, and this wire has no hardware.
        ethtool -K right tx off
        ip addr add 192.0.2.2/24 dev right
        ip link set right up
        ip link add vx0 type vxlan id 42 remote 192.0.2.1 local 192.0.2.2 dstport 4789
        ip link set vx0 mtu 1450 up
        ip addr add 10.42.0.2/24 dev vx0
        """)
      try #require(other.succeeded, "\(other)")
      let daemon = try TestDaemon(
        configuration:
          "networks:\n  tunnel:\n    mode: vxlan\n    options: {remote: 192.0.2.2, vni: 42}\n",
        arguments: ["--plugin-dir", folder], wrapper: here.wrapper)
      defer { daemon.stop() }
      let attached = try daemon.begin(
        "attach", "tunnel", "--netns", "\(guest.processIdentifier)", "--no-config", "--mac",
        "52:55:55:00:42:01")
      defer { attached.stop() }
      let up = try eventually {
        try guest.shell("ip addr replace 10.42.0.1/24 dev tap0 && ip link show tap0 | grep -q ,UP")
          .succeeded
      }
      #expect(up, "\(attached.errors)")
      #expect(try daemon.network("tunnel")["state"] as? String == "running", "\(daemon.log)")
      // Larger than a frame of the tunnel: the guest's kernel cuts it, and both sides put it together.
      let pings = try guest.shell("ip link set tap0 mtu 1450; ping -c 3 -W 5 -s 4000 10.42.0.2")
      #expect(pings.succeeded, "\(pings) \(daemon.log(of: "tunnel"))")
      // Large pieces of the guest's kernel come out as frames that the tunnel carries.
      let server = try there.shell(
        "(timeout 60 python3 -c 'import socket; s = socket.create_server((\"10.42.0.2\", 7)); c = s.accept()[0]\nn = 0\nwhile True:\n  b = c.recv(65536)\n  n += len(b)\n  if not b: break\nopen(\"\(folder)/count\", \"w\").write(str(n))' >/dev/null 2>&1 &) ; sleep 0.1"
      )
      #expect(server.succeeded)
      let sent = try eventually {
        try guest.shell(
          "python3 -c 'import socket; s = socket.create_connection((\"10.42.0.2\", 7), 20); s.sendall(bytes(3000000)); s.close()'"
        ).succeeded
      }
      #expect(sent)
      #expect(
        eventually {
          (try? String(contentsOfFile: folder + "/count", encoding: .utf8)) == "3000000"
        }
      )
      let inspected = try daemon.netd("network", "inspect", "tunnel")
      #expect(!inspected.output.contains("plugin.foreign"), "\(inspected)")
    }
  }
}
