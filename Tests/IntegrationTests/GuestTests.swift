// SPDX-License-Identifier: Apache-2.0
//
// The main job on real parts: a guest (the kernel in a namespace, behind a TAP)
// has an address, a gateway, names, and the host's servers.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct GuestTests {
    @Test func aGuestHasAnAddressAGatewayAndAName() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let result = try daemon.guest(
        """
        ip -4 -o addr show dev eth0; ip route show default; cat /etc/resolv.conf
        ping -c 2 -W 2 192.168.5.2 && getent ahosts host.lima.internal
        """)
      #expect(result.succeeded, "\(result)")
      #expect(result.output.contains("192.168.5.15/24"), "\(result)")
      #expect(result.output.contains("default via 192.168.5.2"), "\(result)")
      #expect(result.output.contains("nameserver 192.168.5.3"), "\(result)")
      #expect(result.output.contains("2 received"), "\(result)")
      #expect(result.output.contains(/192\.168\.5\.2 +STREAM/), "\(result)")
    }

    @Test func theCommandsExitStatusComesBack() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      #expect(try daemon.guest("exit 42").status == 42)
      #expect(try daemon.guest("kill -KILL $$").status == 137)
    }

    @Test func aSignalReachesTheCommandThoughItWasBlockedAtTheStart() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let guest = try RunningCommand(
        "python3",
        [
          "-c",
          """
          import os, signal
          signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
          words = ["exec", "default", "--", "sh", "-c", "echo up; exec sleep 30"]
          os.execv("\(Installation.daemon)", ["lima-netd"] + words)
          """,
        ], environment: daemon.environment)
      #expect(eventually { guest.output.contains("up") }, "\(guest.errors)")
      guest.process.terminate()
      let ended = guest.wait(seconds: 5)
      #expect(ended.status == 143, "\(ended)")
    }

    @Test func aHostsNameResolvesAsOnTheHost() throws {
      try require(.tap, .program("dig"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let result = try daemon.guest(
        """
        dig +short +time=3 +tries=1 localhost A
        dig +short +tcp +time=3 +tries=1 localhost A
        dig +time=3 +tries=1 host.lima.internal TXT | grep -E 'status|ANSWER:'
        """)
      #expect(
        result.output.split(separator: "\n").prefix(2) == ["127.0.0.1", "127.0.0.1"], "\(result)")
      #expect(result.output.contains("status: NOERROR"), "\(result)")
      #expect(result.output.contains("ANSWER: 0"), "\(result)")
    }

    @Test func anUnreachableAddressDoesNotAnswerPing() throws {
      try require(.tap)
      // A host with nothing but 192.0.2.0/24 behind a wire that leads nowhere (RFC 5737).
      let machine = try Namespace(addresses: ["192.0.2.2/24"])
      defer { machine.remove() }
      let daemon = try TestDaemon(wrapper: machine.wrapper)
      defer { daemon.stop() }
      let result = try daemon.guest(
        """
        ping -c 2 -W 2 192.0.2.1
        ping -c 1 -W 2 198.51.100.1
        ping -c 1 -W 2 192.0.2.2
        """)
      #expect(
        result.output.contains("2 packets transmitted, 0 received"), "nobody there: \(result)")
      #expect(result.output.contains("1 packets transmitted, 0 received"), "no route: \(result)")
      #expect(
        result.output.contains("1 packets transmitted, 1 received"), "the host's own: \(result)")
    }

    @Test func aClosedPortOfTheHostIsRefused() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let result = try daemon.guest("curl -sS -m 5 http://192.168.5.2:1/")
      // curl: could not connect; were it not refused, 28 after five seconds.
      #expect(result.status == 7, "\(result)")
      #expect(
        result.errors.contains("refused") || result.errors.contains("Couldn't connect"), "\(result)"
      )
    }

    @Test(arguments: [1500, 65520])
    func aGiBGoesEachWayIntact(mtu: Int) throws {
      try require(.tap, .program("curl"), .program("python3"))
      let daemon = try TestDaemon()
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let size = 1 << 30
      // Down into a pipe and up again from it, and the same bytes are hashed on the way.
      let result = try daemon.guest(
        """
        set -e
        curl -sS http://192.168.5.2:\(servers.ports.http)/bytes/\(size) | sha256sum
        curl -sS http://192.168.5.2:\(servers.ports.http)/sha256/\(size)
        curl -sS http://192.168.5.2:\(servers.ports.http)/bytes/\(size) |
          python3 -c '
        import shutil, socket, sys
        s = socket.create_connection(("192.168.5.2", \(servers.ports.sink)))
        shutil.copyfileobj(sys.stdin.buffer, s.makefile("wb"), 1 << 20)
        s.shutdown(socket.SHUT_WR)
        print(s.makefile().read())'
        """, options: ["--mtu", "\(mtu)"], seconds: 180)
      #expect(result.succeeded, "\(result)")
      let lines = result.output.split(separator: "\n").map { $0.split(separator: " ") }
      try #require(lines.count >= 3, "\(result)")
      #expect(lines[0][0] == lines[1][0], "host to guest: \(result)")
      #expect(lines[2][0] == lines[1][0], "guest to host: \(result)")
      #expect(lines[2].last == "\(size)", "\(result)")
    }

    @Test func fiveHundredConnectionsAtOnceAllCarryTheirBytes() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let result = try daemon.guest(
        """
        python3 -c '
        import os, socket
        peers = [socket.create_connection(("192.168.5.2", \(servers.ports.echo)), 20) for _ in range(500)]
        blocks = [os.urandom(3000) for _ in peers]
        for peer, block in zip(peers, blocks): peer.sendall(block)
        for peer in peers: peer.shutdown(socket.SHUT_WR)
        good = 0
        for peer, block in zip(peers, blocks):
          got = b""
          while data := peer.recv(65536): got += data
          good += got == block
        print(good)'
        """)
      #expect(result.output == "500\n", "\(result)")
    }

    @Test func datagramsComeBackWhole() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let result = try daemon.guest(
        """
        python3 -c '
        import os, socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
        s.connect(("192.168.5.2", \(servers.ports.udp)))
        for size in (0, 1, 1472, 1473, 9000, 60000):
          block = os.urandom(size); s.send(block)
          assert s.recv(65536) == block, size
        print("whole")'
        """)
      #expect(result.output == "whole\n", "\(result)")
    }

    @Test func withHostLoopbackOffTheHostIsNotReached() throws {
      try require(.tap, .program("curl"), .program("python3"))
      let daemon = try TestDaemon(
        configuration: "networks:\n  shut:\n    mode: slirp\n    options: {hostLoopback: false}\n")
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let url = "http://192.168.5.2:\(servers.ports.http)/"
      #expect(try daemon.guest("curl -sS -m 5 \(url)", on: "default").succeeded)
      #expect(try !daemon.guest("curl -sS -m 3 \(url)", on: "shut").succeeded)
    }

    @Test func eachGuestOfAnIsolatedNetworkIsAlone() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let first = try daemon.begin("exec", "default", "--name", "a", "--", "sleep", "20")
      defer { first.stop() }
      #expect(try eventually { (try daemon.network("default")["guests"] as? [Any])?.count == 1 })
      let second = try daemon.guest("ip -4 -o addr show dev eth0; ping -c 1 -W 2 192.168.5.2")
      #expect(second.succeeded, "\(second)")
      #expect(second.output.contains("192.168.5.15/24"), "\(second)")
    }
  }
}
