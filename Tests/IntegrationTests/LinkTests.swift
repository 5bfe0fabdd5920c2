// SPDX-License-Identifier: Apache-2.0
//
// Guests by unixgram, by a passed descriptor and by QEMU's stream: many at once, and
// across a crash of the network's process.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct LinkTests {
    /// Fixtures/guest.py, when the gateway has answered it.
    private func guest(
      _ kind: String, _ daemon: TestDaemon, network: String = "default", quiet: Bool = false
    ) throws -> RunningCommand {
      let guest = try RunningCommand(
        "python3",
        [
          Installation.fixtures + "/guest.py", kind,
          daemon.socket(kind == "stream" ? "qemu" : kind, of: network),
        ]
          + (quiet ? ["--quiet"] : []))
      guard eventually({ guest.output.contains("reply 3\n") }) else {
        throw TestFailure("\(kind) has no network: \(guest.output)\(guest.errors)\n\(daemon.log)")
      }
      return guest
    }

    private func replies(_ guest: RunningCommand) -> Int {
      guest.output.split(separator: "\n").count { $0.hasPrefix("reply") }
    }

    private func goesOn(_ guest: RunningCommand) -> Bool {
      let before = replies(guest)
      return eventually { replies(guest) > before + 5 }
    }

    private func crash(_ daemon: TestDaemon, _ network: String = "default") throws {
      let victim = try #require(try daemon.hostProcess(of: network))
      kill(Int32(victim), SIGSEGV)
      #expect(
        try eventually {
          guard let now = try daemon.hostProcess(of: network) else { return false }
          return now != victim
        })
    }

    /// 117 links with 300 files: those that are too many are told, and DNS, whose socket is one more file, goes on.
    @Test func linksLeaveDNSItsDescriptors() throws {
      try require(.program("python3"), .program("prlimit"))
      let daemon = try TestDaemon(
        configuration: """
          networks:
            default:
              mode: slirp
              dns: {plugin: hostdns, options: {servers: ["127.0.0.1:1"]}}
          """, wrapper: ["prlimit", "--nofile=300:300"])
      defer { daemon.stop() }
      let first = try guest("stream", daemon)
      defer { first.stop() }
      let crowd = try RunningCommand(
        "python3",
        [
          "-c",
          """
          import socket, sys, time
          links = []
          for _ in range(117):
            s = socket.socket(socket.AF_UNIX); s.connect("\(daemon.socket("qemu"))"); links.append(s)
          print("there", flush=True); sys.stdin.read()
          """,
        ])
      defer { crowd.stop() }
      #expect(eventually { crowd.output == "there\n" }, "\(crowd.errors)")
      func counters() throws -> [String: Any] {
        let inspected = try daemon.netd("network", "inspect", "default", "--json").output
        let report = try JSONSerialization.jsonObject(with: Data(inspected.utf8)) as? [String: Any]
        return (report?["live"] as? [String: Any])?["host"] as? [String: Any] ?? [:]
      }
      #expect(try eventually { try counters()["refusedLinks"] as? Int == 118 - 43 })
      #expect(try counters()["links"] as? Int == 43)
      #expect(eventually { daemon.log.contains("`ulimit -n`") }, "\(daemon.log)")
      // Nobody serves there: the kernel says so to a socket, if there is one.
      for name in ["a", "b", "c"] {
        let answer = try daemon.netd("dns", "query", "\(name).example")
        #expect(answer.output.contains("Connection refused"), "\(answer)\n\(daemon.log)")
      }
      #expect(goesOn(first), "\(first.errors)\n\(daemon.log)")
    }

    /// Asks through a UDP forward for up to three seconds.
    private func echoes(_ port: Int) throws -> Bool {
      let client = try run(
        "python3",
        [
          "-c",
          """
          import socket, time
          u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(0.3)
          u.connect(("127.0.0.1", \(port)))
          end = time.time() + 3
          while time.time() < end:
            try:
              u.send(b"ping"); assert u.recv(100) == b"ping"; print("ok"); break
            except OSError: time.sleep(0.05)
          """,
        ])
      return client.output == "ok\n"
    }

    @Test(arguments: ["unixgram", "fd"])
    func aDatagramGuestGoesOnAcrossACrash(kind: String) throws {
      try require(.program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let guest = try guest(kind, daemon)
      defer { guest.stop() }
      for _ in 0..<2 {
        try crash(daemon)
        #expect(goesOn(guest), "\(guest.output.suffix(200))\n\(guest.errors)\n\(daemon.log)")
      }
      #expect(!guest.output.contains("closed"), "\(guest.output)")
    }

    @Test(arguments: ["unixgram", "fd", "stream"])
    func aGuestThatIsSilentIsReachedAfterACrash(kind: String) throws {
      try require(.program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let guest = try guest(kind, daemon, quiet: true)
      defer { guest.stop() }
      let port = try freePort()
      let added = try daemon.netd(
        "forward", "add", "default", "udp", "127.0.0.1:\(port)", "192.168.5.15:7000")
      #expect(added.succeeded, "\(added)")
      #expect(try echoes(port), "before: \(guest.output)")
      try crash(daemon)
      #expect(
        try echoes(port), "after: \(guest.output)\n\(daemon.log)\n\(daemon.log(of: "default"))")
    }

    @Test func manyStreamClientsShareANetworkAndComeAndGo() throws {
      try require(.program("python3"))
      let daemon = try TestDaemon(arguments: ["--grace-period", "300ms"])
      defer { daemon.stop() }
      var guests: [RunningCommand] = []
      defer { for guest in guests { guest.stop() } }
      for _ in 0..<8 { guests.append(try guest("stream", daemon)) }
      #expect(try (daemon.network("default")["guests"] as? [Any])?.count == 8)
      // One leaves, one is killed, one comes back: the others do not notice.
      guests[0].closeInput()
      kill(guests[1].process.processIdentifier, SIGKILL)
      #expect(try eventually { try (daemon.network("default")["guests"] as? [Any])?.count == 6 })
      guests.append(try guest("stream", daemon))
      for guest in guests.dropFirst(2) {
        #expect(goesOn(guest), "\(guest.output.suffix(200))\(guest.errors)")
      }
      #expect(try (daemon.network("default")["guests"] as? [Any])?.count == 7)
      for guest in guests { guest.stop() }
      #expect(try eventually { try daemon.hostProcess(of: "default") == nil })
    }

    @Test func allKindsOfGuestsAndAllForwardsOutliveACrash() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let tap = try daemon.begin(
        "exec", "default", "--name", "tap", "--", "python3", "-c", echoServers)
      defer { tap.stop() }
      #expect(eventually { tap.output.contains("up") }, "\(tap.errors)")
      let others = try ["unixgram", "fd", "stream"].map { try guest($0, daemon) }
      defer { for guest in others { guest.stop() } }
      let port = try freePort()
      let path = daemon.home + "/f.sock"
      for (kind, host) in [
        ("tcp", "127.0.0.1:\(port)"), ("udp", "127.0.0.1:\(port)"), ("unix", path),
      ] {
        let added = try daemon.netd(
          "forward", "add", "default", kind, host, "192.168.5.15:7000", "--guest", "tap")
        #expect(added.succeeded, "\(added)")
      }
      for _ in 0..<2 {
        try crash(daemon)
        for guest in others {
          #expect(
            guest.name.contains(" stream ") || goesOn(guest),
            "\(guest.name): \(guest.output.suffix(200))\(guest.errors)\n\(daemon.log)")
        }
        let client = try run(
          "python3",
          [
            "-c",
            """
            import socket
            for family, address in ((socket.AF_INET, ("127.0.0.1", \(port))), (socket.AF_UNIX, "\(path)")):
              s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(10); s.connect(address)
              s.sendall(b"x" * 100000); s.shutdown(socket.SHUT_WR)
              print(len(b"".join(iter(lambda: s.recv(1 << 20), b""))))
            """,
          ])
        #expect(client.output == "100000\n100000\n", "\(client)\n\(daemon.log)")
        #expect(try echoes(port))
      }
      #expect(tap.process.isRunning)
    }
  }
}
