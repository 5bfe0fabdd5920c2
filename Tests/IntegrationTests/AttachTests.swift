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

    @Test func theHostsOwnNamespaceIsRefusedAndLeftAsItIs() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      for netns in ["\(ProcessInfo.processInfo.processIdentifier)", "/proc/self/ns/net"] {
        let refused = try daemon.netd("attach", "default", "--netns", netns)
        #expect(refused.status == 1, "\(refused)")
        #expect(
          refused.errors.contains("the host's own network namespace; attach is for a container's"),
          "\(refused)")
      }
      #expect(try !run("ip", ["link", "show", "tap0"]).succeeded)
    }

    @Test func inTheBackgroundItStaysUntilItIsKilled() throws {
      try require(.tap)
      let container = try Namespace()
      let daemon = try TestDaemon()
      defer { container.remove(); daemon.stop() }
      let pid = "\(container.processIdentifier)"
      let result = try daemon.netd("attach", "default", "--netns", pid, "--detach")
      #expect(result.succeeded && result.errors.isEmpty, "\(result)")
      #expect(result.output.contains("tap0 has 192.168.5.15/24"), "\(result)")
      #expect(result.output.contains("nameserver 192.168.5.3"), "\(result)")
      let words = result.output.split(whereSeparator: \.isWhitespace)
      let keeper = try #require(words.last.flatMap { pid_t($0) }, "\(result)")
      #expect(try container.shell("ping -c 1 -W 2 192.168.5.2").succeeded)
      // In a session of its own, with nothing of the terminal's.
      #expect(getsid(keeper) == keeper)
      #expect(try guests(daemon) == 1)
      // A second interface of the same process is another guest.
      let second = try daemon.netd(
        "attach", "default", "--netns", pid, "--detach", "--tap", "tap1")
      #expect(second.succeeded, "\(second)")
      let taken = try daemon.netd("attach", "default", "--netns", pid, "--detach")
      #expect(taken.status == 1 && taken.errors.contains("tap0 exists already"), "\(taken)")
      #expect(try guests(daemon) == 2)
      kill(keeper, SIGTERM)
      #expect(try eventually { try guests(daemon) == 1 })
      container.remove()
      #expect(try eventually { try guests(daemon) == 0 })
    }

    @Test func aContainerIsFoundByItsName() throws {
      try require(.tap)
      let container = try Namespace()
      let daemon = try TestDaemon()
      defer { container.remove(); daemon.stop() }
      // No engine runs in every test machine: this prints what Docker's does.
      let engine = daemon.home + "/bin/docker"
      try FileManager.default.createDirectory(
        atPath: daemon.home + "/bin", withIntermediateDirectories: true)
      try """
      #!/bin/sh
      [ "$6" = web ] && echo \(container.processIdentifier) && exit
      echo "Error response from daemon: No such container: $6" >&2
      exit 1
      """.write(toFile: engine, atomically: true, encoding: .utf8)
      chmod(engine, 0o755)
      let path = daemon.home + "/bin:/usr/bin:/bin"
      func attach(_ name: String) throws -> RunningCommand {
        try RunningCommand(
          Installation.daemon, ["attach", "default", "--container", name],
          environment: daemon.environment.merging(["PATH": path]) { $1 })
      }
      let attached = try attach("web")
      defer { attached.stop() }
      #expect(eventually { attached.output.contains("192.168.5.15/24") }, "\(attached.errors)")
      #expect(try container.shell("ping -c 1 -W 2 192.168.5.2").succeeded)
      #expect(try daemon.status().description.contains("name = web") || guests(daemon) == 1)
      let unknown = try attach("nope").wait(seconds: 10)
      #expect(
        unknown.status == 1 && unknown.errors.contains("No container nope was found"), "\(unknown)")
      #expect(unknown.errors.contains("docker: Error response from daemon"), "\(unknown)")
    }

    /// An account of the test's own, in a mount namespace over the machine's, and what sudo tells root of its caller.
    @Test func rootFindsTheDaemonOfWhoCalledSudo() throws {
      try require(.tap, .nobody)
      let container = try Namespace()
      let daemon = try TestDaemon(start: false)
      defer { container.remove(); daemon.stop() }
      let (uid, home) = (61_235, daemon.home + "/user")
      let script =
        """
        set -e
        mount --make-rprivate /
        mkdir -p \(home)/.lima
        chown -R \(uid) \(home)
        { cat /etc/passwd; echo 'lndcaller:x:\(uid):\(uid)::\(home):/bin/sh'; } >\(daemon.home)/passwd
        mount --bind \(daemon.home)/passwd /etc/passwd
        unset LIMA_HOME
        HOME=\(home) setpriv --reuid \(uid) --regid \(uid) --clear-groups '\(Installation.daemon)' serve &
        trap "kill $!" EXIT
        while [ ! -S \(home)/.lima/_networks/lima-netd.sock ]; do sleep 0.05; done
        export HOME=\(daemon.home)/root SUDO_UID=\(uid)
        '\(Installation.daemon)' attach default --netns \(container.processIdentifier) --detach
        '\(Installation.daemon)' network ls
        # Whoever names a home, or is root without sudo, means another.
        '\(Installation.daemon)' status --lima-home \(daemon.home)/other 2>&1 || true
        SUDO_UID= '\(Installation.daemon)' status 2>&1 || true
        # So does a user who is not the socket's owner.
        chown 0 \(home)/.lima/_networks/lima-netd.sock
        '\(Installation.daemon)' status 2>&1 || true
        """
      let result = try run(
        "unshare", ["-m", "sh", "-c", script], environment: daemon.environment, seconds: 60)
      #expect(result.output.contains("tap0 has 192.168.5.15/24"), "\(result)")
      #expect(result.output.contains("running  1"), "\(result)")
      #expect(result.output.contains("No daemon serves \(daemon.home)/other"), "\(result)")
      // Root by itself, and root for a user whose daemon that is not.
      #expect(result.output.contains("No daemon serves \(daemon.home)/root/.lima\n"), "\(result)")
      #expect(
        result.output.contains(", nor root's own \(daemon.home)/root/.lima\n"), "\(result)")
    }

    @Test func `a guest of attach that is sent away ends it, with a word`() throws {
      try require(.tap)
      let container = try Namespace()
      let daemon = try TestDaemon()
      defer { container.remove(); daemon.stop() }
      let attached = try RunningCommand(
        Installation.daemon,
        ["attach", "default", "--netns", "\(container.processIdentifier)", "--name", "box"],
        environment: daemon.environment)
      defer { attached.stop() }
      #expect(eventually { attached.output.contains("tap0 has") })
      #expect(try daemon.netd("guest", "disconnect", "default", "box").succeeded)
      let ended = attached.wait(seconds: 20)
      #expect(ended.status == 1 && ended.errors.contains("has sent this guest away"), "\(ended)")
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
