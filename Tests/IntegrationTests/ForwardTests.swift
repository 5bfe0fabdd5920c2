// SPDX-License-Identifier: Apache-2.0
//
// Forwards: sockets of the host that lead into a guest.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct ForwardTests {
    /// A guest that echoes TCP and UDP on port 7000, until it is stopped.
    private func echoGuest(_ daemon: TestDaemon) throws -> RunningCommand {
      let guest = try daemon.begin(
        "exec", "default", "--name", "echo", "--", "python3", "-c", echoServers)
      guard eventually(within: 15, { guest.output.contains("up") }) else {
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
