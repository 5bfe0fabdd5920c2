// SPDX-License-Identifier: Apache-2.0
//
// Many questions of one guest at once, with the real dnsperf, and a nameserver that loses nothing
// (Fixtures/manynames.py).

import Foundation
import Testing

extension EndToEnd {
  @Suite struct DNSLoadTests {
    @Test func tenThousandNamesWithAThousandUnderWayAreAllAnswered() throws {
      try require(.tap, .program("dnsperf"), .program("python3"))
      let server = try RunningCommand("python3", [Installation.fixtures + "/manynames.py"])
      defer { server.stop() }
      var port: Int?
      _ = eventually {
        let line = server.output.split(separator: "\n").first.map { Data($0.utf8) } ?? Data()
        port = (try? JSONSerialization.jsonObject(with: line) as? [String: Int])?["port"]
        return port != nil
      }
      let address = "127.0.0.1:\(try #require(port, "\(server.errors)"))"
      let daemon = try TestDaemon(
        configuration: """
          networks:
            lab:
              mode: slirp
              dns:
                plugin: hostdns
                options: {servers: ["\(address)"], timeout: 2, attempts: 2}

          """)
      defer { daemon.stop() }
      let names = NSTemporaryDirectory() + "names-\(UUID().uuidString)"
      try (1...10_000).map { "n\($0).many.test A\n" }.joined()
        .write(toFile: names, atomically: true, encoding: .utf8)
      defer { try? FileManager.default.removeItem(atPath: names) }
      // 20 sockets, that none of dnsperf's own gets more answers than its buffer takes.
      let result = try daemon.guest(
        "dnsperf -s 192.168.5.3 -d \(names) -n 1 -q 1000 -c 20 -b 200 -t 8", on: "lab", seconds: 60)
      #expect(result.output.contains("Queries completed:    10000 (100.00%)"), "\(result)")
      #expect(result.output.contains("NOERROR 10000 (100.00%)"), "\(result)")
      let report = try JSONSerialization.jsonObject(
        with: Data(daemon.netd("network", "inspect", "lab", "--json").output.utf8))
      let live = try #require((report as? [String: Any])?["live"] as? [String: Any])
      let dns = try #require(live["dns"] as? [String: Any])
      #expect(dns["asked"] as? Int == 10_000, "\(dns)")
      #expect(dns["answered"] as? Int == 10_000, "\(dns)")
      #expect(dns["overload"] as? Int == 0, "\(dns)")
    }
  }
}
