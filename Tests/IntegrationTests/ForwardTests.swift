// SPDX-License-Identifier: Apache-2.0
//
// Forwards: sockets of the host that lead into a guest.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct ForwardTests {
    @Test
    func `forwards that were added are there after the daemon was killed, temporary ones are not`()
      throws
    {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let (kept, temporary) = (try freePort(), try freePort())
      func add(_ port: Int, _ options: String...) throws {
        let added = try daemon.netd(
          ["forward", "add", "default", "tcp", "\(port)", "192.168.5.15:80"] + options)
        #expect(added.succeeded, "\(added)")
      }
      try add(kept)
      try add(temporary, "--temporary")
      #expect(try daemon.netd("forward", "ls").output.contains(", temporary"))
      kill(daemon.processIdentifier, SIGKILL)
      daemon.command?.process.waitUntilExit()
      try daemon.start()
      let listed = try daemon.netd("forward", "ls").output
      #expect(
        listed.contains("127.0.0.1:\(kept)") && !listed.contains(":\(temporary)"), "\(listed)")
      #expect(try daemon.netd("network", "start", "default").succeeded)
      // It listens: without a guest it closes what it accepts.
      #expect(
        try eventually {
          try run("bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(kept)"], seconds: 5).succeeded
        }, "\(daemon.log)")
      try add(temporary, "--temporary")
      let again = try daemon.netd("restart")
      #expect(again.succeeded, "\(again)")
      #expect(again.errors.contains("127.0.0.1:\(temporary) of default was temporary"), "\(again)")
      #expect(try daemon.netd("forward", "rm", "default", "tcp", "127.0.0.1:\(kept)").succeeded)
      #expect(try daemon.netd("forward", "ls").output == "No forwards.\n")
    }

    /// A guest that echoes TCP and UDP on port 7000, until it is stopped.
    private func echoGuest(_ daemon: TestDaemon) throws -> RunningCommand {
      let guest = try daemon.begin(
        "exec", "default", "--name", "echo", "--", "python3", "-c", echoServers)
      guard eventually({ guest.output.contains("up") }) else {
        throw TestFailure("the guest did not start: \(guest.errors)")
      }
      return guest
    }

    @Test func clientsOfTheHostReachTheGuestByTCPUDPAndUnixSocket() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let guest = try echoGuest(daemon)
      defer { guest.stop() }
      let port = try freePort()
      let path = daemon.home + "/guest.sock"
      for (kind, host) in [
        ("tcp", "127.0.0.1:\(port)"), ("udp", "127.0.0.1:\(port)"), ("unix", path),
      ] {
        let added = try daemon.netd("forward", "add", "default", kind, host, "192.168.5.15:7000")
        #expect(added.succeeded, "\(added)")
      }
      let client = try run(
        "python3",
        [
          "-c",
          """
          import os, socket
          block = os.urandom(5_000_000)
          for family, address in ((socket.AF_INET, ("127.0.0.1", \(port))), (socket.AF_UNIX, "\(path)")):
            s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(20); s.connect(address)
            import threading
            threading.Thread(target=lambda: (s.sendall(block), s.shutdown(socket.SHUT_WR))).start()
            got = b"".join(iter(lambda: s.recv(1 << 20), b""))
            print(got == block)
          u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(5)
          u.connect(("127.0.0.1", \(port))); u.send(b"ping"); print(u.recv(100) == b"ping")
          """,
        ], seconds: 60)
      #expect(client.output == "True\nTrue\nTrue\n", "\(client)")

      let list = try daemon.netd("forward", "ls", "default", "--json")
      #expect(list.output.contains("127.0.0.1:\(port)"), "\(list)")
      let removed = try daemon.netd("forward", "rm", "default", "tcp", "127.0.0.1:\(port)")
      #expect(removed.succeeded, "\(removed)")
      let refused = try run("curl", ["-sS", "-m", "3", "http://127.0.0.1:\(port)/"])
      #expect(refused.status == 7, "\(refused)")
    }

    @Test func aTakenPortIsAClearError() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let guest = try echoGuest(daemon)
      defer { guest.stop() }
      let taken = "127.0.0.1:\(servers.ports.http)"
      let result = try daemon.netd("forward", "add", "default", "tcp", taken, "192.168.5.15:7000")
      #expect(!result.succeeded, "\(result)")
      #expect(result.errors.contains(taken) && result.errors.contains("in use"), "\(result)")
    }

    /// With 256 files: one client takes all it gets of a forward, and everybody else goes on.
    @Test func aClientThatTakesEveryConnectionLeavesOthersTheirs() throws {
      try require(.tap, .program("python3"), .program("prlimit"))
      let daemon = try TestDaemon(wrapper: ["prlimit", "--nofile=256:256"])
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let guest = try echoGuest(daemon)
      defer { guest.stop() }
      let (greedy, other) = (try freePort(), try freePort())
      for port in [greedy, other] {
        try daemon.netd(
          "forward", "add", "default", "tcp", "127.0.0.1:\(port)", "192.168.5.15:7000")
      }
      let flood = try RunningCommand(
        "python3",
        [
          "-c",
          """
          import resource, socket, time
          resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
          all = []
          for n in range(600):
            s = socket.create_connection(("127.0.0.1", \(greedy)), 5); s.sendall(b"x"); all.append(s)
          print("all", flush=True)
          served, reset = set(), 0
          while True:
            for n, s in enumerate(all):
              s.setblocking(False)
              try:
                if s.recv(1) == b"x": served.add(n)
                else: reset += 1
              except BlockingIOError: pass
              except OSError: reset += 1
            print(len(served), reset, flush=True)
            time.sleep(0.5)
          """,
        ])
      defer { flood.stop() }
      // Four fifths of three quarters of three quarters of 132; nobody is turned away. Two looks in a row, so that it
      // stays so.
      #expect(
        eventually { flood.output.contains("\n58 0\n58 0\n") },
        "\(flood.output) \(flood.errors)")
      #expect(flood.output.split(separator: "\n").last == "58 0", "\(flood.output)")
      let echo = try run(
        "python3",
        [
          "-c",
          """
          import socket
          s = socket.create_connection(("127.0.0.1", \(other)), 5); s.settimeout(5)
          s.sendall(b"hello"); s.shutdown(socket.SHUT_WR); print(s.recv(100))
          """,
        ])
      #expect(echo.output == "b'hello'\n", "\(echo)")
      let second = try daemon.guest(
        "curl -sS -m 5 -o /dev/null -w '%{http_code}\\n' http://192.168.5.2:\(servers.ports.http)/ && "
          + "getent ahostsv4 host.lima.internal | head -1")
      #expect(second.output.contains("192.168.5.2"), "\(second)")
      #expect(second.output.hasPrefix("200") || second.output.hasPrefix("404"), "\(second)")
      let said = daemon.log(of: "default").split(separator: "\n").filter {
        $0.contains("new clients wait")
      }
      #expect(said.count == 1 && said[0].contains("lima-netd doctor"), "\(said)")
      let list = try daemon.netd("forward", "ls")
      #expect(
        list.output.split(separator: "\n").contains {
          $0.contains(":\(greedy) ") && $0.contains(" 58 ")
        },
        "\(list)")
      flood.stop()
      // Those that waited have hung up, too: each is led to the guest and ends.
      #expect(
        try eventually {
          try daemon.netd("forward", "ls").output.split(separator: "\n").contains {
            let cells = $0.split(separator: " ")
            return cells.count > 4 && cells[2].hasSuffix(":\(greedy)") && cells[4] == "0"
          }
        })
    }

    @Test func aForwardSaysWhatItLeadsToAndWhatItWaitsFor() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon(arguments: ["--grace-period", "200ms"])
      defer { daemon.stop() }
      let port = try freePort()
      func add(_ words: String...) throws -> CommandResult {
        let words = ["forward", "add"] + words
        return try run(Installation.daemon, words, environment: daemon.environment, seconds: 30)
      }
      let nobody = try add("default", "tcp", "\(port)", "192.168.5.15:7000")
      #expect(
        nobody.output
          == "tcp 127.0.0.1:\(port) will lead to 192.168.5.15:7000 of default; it waits: no guest is connected\n",
        "\(nobody)")
      #expect(
        try eventually {
          try daemon.netd("forward", "ls").output.contains("waiting: network default is stopped")
        })
      let guest = try echoGuest(daemon)
      defer { guest.stop() }
      #expect(try daemon.netd("forward", "ls").output.contains("0            open\n"))
      let unknown = try add("default", "udp", "\(port)", "192.168.5.15:7000", "--guest", "NOPE")
      #expect(
        unknown.output.hasSuffix("it waits: there is no guest NOPE: there is echo\n"), "\(unknown)")
      #expect(
        try daemon.netd("network", "inspect", "default").output.contains(
          "waiting: there is no guest NOPE: there is echo"))
      // However its address is written, it is the same forward.
      let twice = try add("default", "tcp", "[::ffff:127.0.0.1]:0\(port)", "192.168.5.15:1")
      #expect(
        twice.errors.contains(
          "forwards tcp 127.0.0.1:\(port) already, to 192.168.5.15:7000: remove that forward first"),
        "\(twice)")
      let range = try add("default", "tcp", "8000-8010", "192.168.5.15:80")
      #expect(!range.succeeded && range.errors.contains("a forward has one port"), "\(range)")
      let named = try add("user-v2", "tcp", "0", "192.168.104.3:80", "--guest", "NOPE")
      #expect(!named.succeeded && named.errors.contains("have addresses of their own"), "\(named)")
      for (path, words) in [
        (daemon.home + "/_networks/default/default.log", "a regular file is there"),
        (daemon.home + "/_networks", "a directory is there"),
        (daemon.socket("qemu"), "is in use"),
      ] {
        let result = try add("default", "unix", path, "192.168.5.15:80")
        #expect(!result.succeeded && result.errors.contains(words), "\(path): \(result)")
        #expect(FileManager.default.fileExists(atPath: path))
      }
    }

    @Test func aForwardOutlivesTheGuestsAbsence() throws {
      try require(.tap, .program("python3"), .program("curl"))
      let daemon = try TestDaemon(arguments: ["--grace-period", "200ms"])
      defer { daemon.stop() }
      let port = try freePort()
      let added = try daemon.netd(
        "forward", "add", "default", "tcp", "127.0.0.1:\(port)", "192.168.5.15:7000")
      #expect(added.succeeded, "\(added)")
      for _ in 0..<2 {
        let guest = try echoGuest(daemon)
        let client = try run(
          "python3",
          [
            "-c",
            """
            import socket
            s = socket.create_connection(("127.0.0.1", \(port)), 5); s.settimeout(5)
            s.sendall(b"hello"); s.shutdown(socket.SHUT_WR); print(s.recv(100))
            """,
          ])
        #expect(client.output == "b'hello'\n", "\(client)")
        guest.stop()
      }
    }
  }
}
