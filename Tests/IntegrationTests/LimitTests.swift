// SPDX-License-Identifier: Apache-2.0
//
// Limits of each guest, with iperf3: TCP comes up to them, either way, among guests and to the host, and a neighbour has its own.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct LimitTests {
    /// - Parameter bytes: a second, either way.
    private static func configuration(_ bytes: Int, _ more: String = "") -> String {
      """
      networks:
        lab:
          mode: user-v2
          gateway: 192.168.117.1
          limits:
            fromGuest: {bytesPerSecond: \(bytes)}
            toGuest: {bytesPerSecond: \(bytes)}
      \(more)
      """
    }

    /// Mbit/s of TCP's payload, as its receiver has them.
    private static let script = #"""
      iperf3 -J "$@" | python3 -c 'import json, sys; print("rate", json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6)'
      """#

    private static func measure(_ words: String) -> String {
      "set -- \(words) -t 3 -O 1; \(script)"
    }

    private static func rate(_ output: String) -> Double {
      output.firstMatch(of: /rate ([0-9.]+)/).flatMap { Double($0.1) } ?? 0
    }

    @Test func tcpComesUpToTheLimitEitherWayAndANeighbourHasItsOwn() throws {
      try require(.tap, .program("iperf3"), .program("python3"))
      let daemon = try TestDaemon(configuration: Self.configuration(5_000_000))
      defer { daemon.stop() }
      let ports = [try freePort(), try freePort()]
      let servers = try ports.map { try RunningCommand("iperf3", ["-s", "-p", "\($0)"]) }
      defer { for server in servers { server.stop() } }
      // Never more. On a machine that has no time for it far less; but it does not collapse: a tenth at least.
      let expected = 4.0...43.0

      // Both at a time: one limit for both would give half to each.
      let neighbour = try daemon.begin(
        "exec", "lab", "--name", "neighbour", "--", "sh", "-c",
        Self.measure("-c 192.168.117.2 -p \(ports[1])"))
      let up = try daemon.guest(
        Self.measure("-c 192.168.117.2 -p \(ports[0])")
          + "; \(Self.measure("-R -c 192.168.117.2 -p \(ports[0])"))",
        on: "lab", options: ["--name", "limited"])
      let rates = up.output.matches(of: /rate ([0-9.]+)/).compactMap { Double($0.1) }
      #expect(rates.count == 2 && rates.allSatisfy(expected.contains), "\(up)")
      let beside = neighbour.wait(seconds: 30)
      #expect(expected.contains(Self.rate(beside.output)), "\(beside)")

      // From guest to guest, past the plugin.
      let server = try daemon.begin("exec", "lab", "--name", "server", "--", "iperf3", "-s")
      defer { server.stop() }
      #expect(try eventually { try daemon.netd("leases").output.contains("server") })
      let across = try daemon.guest(
        "until iperf3 -c server.internal -n 1 >/dev/null; do sleep 0.2; done; "
          + Self.measure("-c server.internal")
          + "; \(Installation.daemon) guest inspect lab client", on: "lab",
        options: ["--name", "client"])
      #expect(expected.contains(Self.rate(across.output)), "\(across)")
      #expect(across.output.contains("times it waited to send, by its limit"), "\(across)")
      // Another limit holds at once, for guests that are there.
      try daemon.write(configuration: Self.configuration(1_000_000))
      try daemon.netd("reload")
      #expect(eventually { daemon.log.contains("its new options hold from now on") })
      let after = try daemon.guest(
        Self.measure("-c server.internal"), on: "lab", options: ["--name", "client"])
      #expect((0.8...10.0).contains(Self.rate(after.output)), "\(after)")
    }

    @Test func aGuestHasAsManyConnectionsAsItMayHave() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon(
        configuration: """
          networks:
            lab:
              mode: slirp
              limits: {connections: 4}
          """)
      defer { daemon.stop() }
      let port = try freePort()
      let server = try RunningCommand(
        "python3",
        [
          "-uc",
          """
          import socket, threading
          def hold(c):
              while c.recv(100): pass
              c.close()
          s = socket.create_server(("127.0.0.1", \(port)), backlog=64); print("up")
          while True: threading.Thread(target=hold, args=(s.accept()[0],), daemon=True).start()
          """,
        ])
      defer { server.stop() }
      #expect(eventually { server.output.contains("up") })
      let result = try daemon.guest(
        """
        python3 -c '
        import socket
        held, words = [], []
        def call():
            try: held.append(socket.create_connection(("192.168.5.2", \(port)), 5)); return "open"
            except ConnectionRefusedError: return "refused"
        for _ in range(6): words.append(call())
        held.pop().close()
        for _ in range(50):
            import time; time.sleep(0.1)
            if call() == "open": words.append("again"); break
        print(*words)'
        \(Installation.daemon) network inspect lab --json | grep -o '"connectionsLimited": *[0-9]*'
        """, on: "lab")
      #expect(result.output.contains("open open open open refused refused again"), "\(result)")
      let limited = result.output.matches(of: /"connectionsLimited": *(\d+)/).compactMap {
        Int($0.1)
      }
      #expect(limited.reduce(0, +) >= 2, "\(result)")
    }

    @Test func aLimitThatMakesNoSenseIsToldByItsPlace() throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      try daemon.write(
        configuration: """
          networks:
            lab:
              mode: slirp
              limits: {fromGuest: {bytesPerSecond: 10}, downloads: 3}
          """)
      try daemon.netd("reload")
      let result = try daemon.netd("network", "start", "lab")
      #expect(!result.succeeded)
      #expect(
        result.errors.contains("bytesPerSecond") && result.errors.contains("downloads"), "\(result)"
      )
    }
  }
}
