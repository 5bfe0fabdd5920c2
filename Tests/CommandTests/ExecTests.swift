// SPDX-License-Identifier: Apache-2.0
//
// exec and attach as users run them, against a small attach server: the half that is theirs. Whether frames get
// anywhere is for the end-to-end tests.

#if os(Linux)

  import Daemon
  import FoundationEssentials
  import LibC
  import Platform
  import TestSupport
  import Testing

  @testable import lima_netd

  /// Whether this user may make namespaces and TAPs; tells why not.
  private let obstacle: String? = {
    guard Program.path != nil else { return "the program is not beside the tests" }
    guard access(Tap.device, R_OK | W_OK) == 0 else {
      return "\(Tap.device) is not open to this user"
    }
    guard let server = try? AttachServer() else { return "no sockets in the temporary directory" }
    defer { server.stop() }
    let probe = try? Program.run(["exec", "probe", "--"] + ["true"], home: server.home)
    return probe?.status == 125 ? probe?.errors : nil
  }()

  private func isPossible() -> Bool {
    if let obstacle { print("skipped: \(obstacle)") }
    return obstacle == nil
  }

  @Suite(
    .enabled(if: isPossible(), "see the first lines of the output"), .serialized,
    .timeLimit(.minutes(5)))
  struct ExecTests {
    private func exec(_ options: [String] = [], _ command: String...) throws -> Program.Outcome {
      let server = try AttachServer()
      defer { server.stop() }
      return try Program.run(
        ["exec", "default"] + options + ["--"] + command, home: server.home)
    }

    @Test func theCommandHasTheLeasesAddressRouteAndNames() throws {
      let outcome = try exec(
        [], "sh", "-c", "ip -o addr; ip route; ip link show eth0; cat /etc/resolv.conf; id -u")
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.output.contains("inet 192.168.5.15/24 brd 192.168.5.255"), "\(outcome)")
      #expect(outcome.output.contains("default via 192.168.5.2 dev eth0"), "\(outcome)")
      #expect(outcome.output.contains("mtu 1400"), "\(outcome)")
      #expect(outcome.output.contains("qlen 10000"), "\(outcome)")
      #expect(
        outcome.output.contains("nameserver 192.168.5.3\nsearch lima.internal\n0\n"), "\(outcome)")
    }

    @Test func theHostsFileStaysAsItWas() throws {
      let before = try? String(contentsOfFile: "/etc/resolv.conf", encoding: .utf8)
      _ = try exec([], "true")
      #expect(try String(contentsOfFile: "/etc/resolv.conf", encoding: .utf8) == before)
    }

    @Test func theUsersMTUAndAddressGoBeforeTheLeases() throws {
      let outcome = try exec(
        ["--mtu", "9000", "--mac", "52:55:55:00:00:07"], "ip", "link", "show", "eth0")
      #expect(outcome.output.contains("mtu 9000"), "\(outcome)")
      #expect(outcome.output.contains("52:55:55:00:00:07"), "\(outcome)")
    }

    @Test(arguments: [
      ("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143),
    ])
    func theStatusIsTheCommands(script: String, status: Int32) throws {
      #expect(try exec([], "sh", "-c", script).status == status)
    }

    @Test func aCommandThatIsNotThereIs127AndOneThatCannotRunIs126() throws {
      let missing = try exec([], "no-such-command-here")
      #expect(missing.status == 127)
      #expect(missing.errors.contains("no-such-command-here: no such command"))
      #expect(try exec([], "/etc/passwd").status == 126)
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP, SIGQUIT])
    func signalsReachTheCommand(signal: Int32) throws {
      let server = try AttachServer()
      defer { server.stop() }
      let mark = Temporary.path()
      defer { unlink(mark) }
      let script = "trap 'exit 41' TERM INT HUP QUIT; touch \(mark); while :; do sleep 0.02; done"
      let outcome = try Program.run(
        ["exec", "default", "--", "sh", "-c", script], home: server.home
      ) { pid, _ in
        #expect(eventually { access(mark, F_OK) == 0 })
        ChildProcess.kill(pid, signal)
      }
      #expect(outcome.status == 41, "\(outcome)")
    }

    @Test func aRefusalOfTheDaemonIsToldInItsOwnWords() throws {
      let server = try AttachServer(
        refusal: ErrorReport(code: "NOT_FOUND", message: "no network lab; there is: x"))
      defer { server.stop() }
      let outcome = try Program.run(
        ["exec", "lab", "--", "true"], home: server.home)
      #expect(outcome.status == 125)
      #expect(outcome.errors == "Error: no network lab; there is: x\n")
    }

    @Test func attachTellsWhatTheInterfaceHasAndEndsOnSIGTERM() throws {
      guard geteuid() == 0 else { return }  // somebody else's namespace would have to be made first
      let server = try AttachServer()
      defer { server.stop() }
      try NamespaceOfASleeper.with { sleeper in
        let outcome = try Program.run(
          ["attach", "default", "--netns", String(sleeper), "--tap", "tap7", "--mtu", "65520"],
          home: server.home
        ) { pid, output in
          #expect(eventually { output().hasSuffix("lima.internal\n") })
          ChildProcess.kill(pid, SIGTERM)
        }
        #expect(outcome.status == 0, "\(outcome)")
        #expect(
          outcome.output == """
            tap7 has 192.168.5.15/24 via 192.168.5.2, DNS 192.168.5.3
            Names are looked up as the host's /etc/resolv.conf says.  For this network's:
              nameserver 192.168.5.3
              search lima.internal

            """, "\(outcome)")
        #expect(server.requests.first?.name == "pid-\(sleeper)")
        #expect(server.requests.first?.mtu == 65520)
      }
    }

    @Test func attachToANamespaceThatIsNotThereSaysSo() throws {
      let server = try AttachServer()
      defer { server.stop() }
      let outcome = try Program.run(
        ["attach", "default", "--netns", "/run/netns/nosuch"], home: server.home)
      #expect(outcome.errors.contains("There is no namespace /run/netns/nosuch"))
      let wrong = try Program.run(
        ["attach", "default", "--netns", "/etc/passwd"], home: server.home)
      #expect(wrong.errors.contains("/etc/passwd is not a network namespace"))
    }
  }

  /// A process that sleeps in a network namespace of its own.
  private enum NamespaceOfASleeper {
    static func with(_ body: (Int32) throws -> Void) throws {
      let pid = try ChildProcess.spawn("/usr/bin/unshare", ["-n", "sleep", "30"])
      defer {
        ChildProcess.kill(pid, SIGKILL)
        _ = try? ChildProcess.wait(pid)
      }
      let own = Namespaces.identity(of: "/proc/self/ns/net")
      #expect(eventually { Namespaces.identity(of: "/proc/\(pid)/ns/net") != own })
      try body(pid)
    }
  }

#endif
