// SPDX-License-Identifier: Apache-2.0
//
// attach: a network for a namespace that somebody else made, as container runtimes
// ask for it; and each way it ends.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct AttachTests {
    private func guests(_ daemon: TestDaemon) throws -> Int {
      (try daemon.network("default")["guests"] as? [Any])?.count ?? -1
    }

    /// `attach default`, once it said that the interface is there.
    private func attach(_ daemon: TestDaemon, _ netns: String, _ options: String...) throws
      -> RunningCommand
    {
      let attached = try RunningCommand(
        Installation.daemon, ["attach", "default", "--netns", netns] + options,
        environment: daemon.environment)
      guard eventually({ attached.output.contains("192.168.5.15/24") }) else {
        throw TestFailure("not attached: \(attached.output)\(attached.errors)\n\(daemon.log)")
      }
      return attached
    }

    @Test func aProcesssNamespaceGetsAnInterfaceThatWorks() throws {
      try require(.tap, .program("curl"), .program("python3"))
      let container = try Namespace()
      let daemon = try TestDaemon()
      let servers = try HostServers()
      defer { container.remove(); daemon.stop(); servers.stop() }
      let attached = try attach(daemon, "\(container.processIdentifier)", "--tap", "net0")
      defer { attached.stop() }
      let inside = try container.shell(
        """
        ip -4 -o addr show dev net0
        ip route show default
        curl -sS http://192.168.5.2:\(servers.ports.http)/
        """)
      #expect(inside.output.contains("192.168.5.15/24"), "\(inside)")
      #expect(inside.output.contains("default via 192.168.5.2"), "\(inside)")
      #expect(inside.output.contains("Hello from the host."), "\(inside)")
      // SIGTERM ends it, without complaint, and takes the interface along.
      attached.process.terminate()
      let ended = attached.wait(seconds: 5)
      #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended)")
      #expect(try eventually { try !container.shell("ip link show net0").succeeded })
      #expect(try eventually { try guests(daemon) == 0 })
    }

    @Test func aDHCPClientInTheNamespaceConfiguresIt() throws {
      try require(.tap, .program("busybox"))
      let container = try Namespace()
      let daemon = try TestDaemon()
      defer { container.remove(); daemon.stop() }
      let attached = try attach(
        daemon, "/proc/\(container.processIdentifier)/ns/net", "--no-config")
      defer { attached.stop() }
      #expect(try !container.shell("ip -4 -o addr show dev tap0").output.contains("inet"))
      let client = try container.shell(
        "busybox udhcpc -i tap0 -q -n -f -t 5 -T 1 -s \(Installation.fixtures)/udhcpc.script")
      #expect(
        client.output.contains("lease 192.168.5.15/24 router 192.168.5.2 dns 192.168.5.3"),
        "\(client)\n\(daemon.log(of: "default"))")
      #expect(try container.shell("ping -c 1 -W 2 192.168.5.2").succeeded)
      let leases = try daemon.netd("leases")
      #expect(leases.output.contains("192.168.5.15"), "\(leases)")
    }

    @Test func itEndsWithTheNamespacesProcess() throws {
      try require(.tap)
      let container = try Namespace()
      let daemon = try TestDaemon()
      defer { container.remove(); daemon.stop() }
      let attached = try attach(daemon, "\(container.processIdentifier)")
      defer { attached.stop() }
      container.remove()
      let ended = attached.wait(seconds: 5)
      #expect(ended.status == 0, "\(ended)")
      #expect(try eventually { try guests(daemon) == 0 })
    }

    @Test func itEndsWithTheNamespacesFile() throws {
      try require(.tap, .root)
      let container = try Namespace()
      let daemon = try TestDaemon()
      defer { container.remove(); daemon.stop() }
      let file = daemon.home + "/ns"
      _ = FileManager.default.createFile(atPath: file, contents: nil)
      let bound = try run(
        "mount", ["--bind", "/proc/\(container.processIdentifier)/ns/net", file])
      guard bound.succeeded else {
        try Test.cancel("mount is not allowed here")
      }
      let attached = try attach(daemon, file)
      defer { attached.stop() }
      try run("umount", [file])
      let ended = attached.wait(seconds: 5)
      #expect(ended.status == 0, "\(ended)")
      #expect(try eventually { try guests(daemon) == 0 })
    }

    @Test func itEndsWithTheDaemonAndSaysSo() throws {
      try require(.tap)
      let container = try Namespace()
      let daemon = try TestDaemon()
      defer { container.remove(); daemon.stop() }
      let attached = try attach(daemon, "\(container.processIdentifier)")
      defer { attached.stop() }
      daemon.command?.stop()
      let ended = attached.wait(seconds: 5)
      #expect(ended.status == 1, "\(ended)")
      #expect(ended.errors.contains("daemon ended the attachment"), "\(ended)")
      #expect(try !container.shell("ip link show tap0").succeeded)
    }

    @Test func whatCannotBeAttachedIsNamed() throws {
      try require(.tap)
      let container = try Namespace()
      let daemon = try TestDaemon()
      defer { container.remove(); daemon.stop() }
      let pid = "\(container.processIdentifier)"
      for (netns, options, text) in [
        ("/run/netns/no-such", [], "no namespace /run/netns/no-such"),
        ("4194303", [], "no process 4194303"),
        ("/etc/hostname", [], "not a network namespace"),
        (pid, ["--tap", "a/b"], "1 to 15 characters"),
        (pid, ["--tap", "lo"], "lo"),
        (pid, ["--mtu", "12"], "576 to 65520"),
      ] as [(String, [String], String)] {
        let result = try run(
          Installation.daemon, ["attach", "default", "--netns", netns] + options,
          environment: daemon.environment, seconds: 10)
        #expect(result.status > 0 && result.errors.contains(text), "\(result)")
      }
      let unknown = try daemon.netd("attach", "nope", "--netns", pid)
      #expect(unknown.errors.contains("there are default, user-v2"), "\(unknown)")
    }
  }
}
