// SPDX-License-Identifier: Apache-2.0
//
// What a guest hears that asks more than its share, and what its neighbour hears meanwhile
// (Fixtures/dnsshare.py).

import Foundation
import Testing

extension EndToEnd {
  @Suite struct DNSShareTests {
    @Test func beyondItsShareAGuestHearsServfailAtOnceAndItsNeighbourAnAnswer() throws {
      try require(.tap, .program("dig"), .program("python3"))
      let script = Installation.fixtures + "/dnsshare.py"
      let server = try RunningCommand("python3", [script, "serve"])
      defer { server.stop() }
      #expect(eventually { server.output.contains("\n") })
      let port = server.output.trimmingCharacters(in: .whitespacesAndNewlines)
      let daemon = try TestDaemon(
        configuration: """
          networks:
            lab:
              mode: slirp
              dns: {plugin: hostdns, options: {servers: ["127.0.0.1:\(port)"]}}

          """)
      defer { daemon.stop() }
      let file = daemon.home + "/full"
      let dig = "dig @192.168.5.3 +time=3 +tries=1 +noall +answer +comments"
      // What it asked before is kept, and host.lima.internal is the network's own.
      let guest = try daemon.begin(
        "exec", "lab", "--", "sh", "-c",
        """
        dig @192.168.5.3 +short kept.test
        python3 \(script) ask 1500 \(file) & asks=$!
        until [ -e \(file) ]; do sleep 0.05; done
        for name in kept.test host.lima.internal; do dig @192.168.5.3 +time=3 +tries=1 +short $name; done
        for i in $(seq 10); do \(dig) new$i.test; done | grep -E "status|EDE|timed"
        touch \(file).seen; wait $asks
        """)
      defer { guest.stop() }
      #expect(
        eventually {
          FileManager.default.fileExists(atPath: file) || !guest.process.isRunning
        })
      let neighbour = try daemon.guest(
        "for i in 1 2 3; do dig @192.168.5.3 +time=3 +tries=1 +short other$i.test; done", on: "lab")
      #expect(neighbour.output == String(repeating: "192.0.2.1\n", count: 3), "\(neighbour)")
      #expect(
        eventually {
          FileManager.default.fileExists(atPath: file + ".seen") || !guest.process.isRunning
        })
      _ = FileManager.default.createFile(atPath: file + ".end", contents: nil)
      let result = guest.wait(seconds: 30)
      let lines = result.output.split(separator: "\n").map(String.init)
      #expect(lines.prefix(3) == ["192.0.2.1", "192.0.2.1", "192.168.5.2"], "\(result)")
      #expect(!result.output.contains("timed out"), "\(result)")
      #expect(result.output.contains("too many questions of this client wait"), "\(result)")
      // In the end those that waited were told, too: by their deadline.
      #expect(lines.last == "code 2, told", "\(result)")
    }
  }
}
