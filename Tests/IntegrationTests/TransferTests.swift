// SPDX-License-Identifier: Apache-2.0
//
// Transfers of a guest's programs, whichever way they write and whichever congestion control its
// kernel has: nothing stands still, and nothing is sent twice.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct TransferTests {
    /// What iperf3 -J tells.
    private struct Report: Decodable {
      struct Sum: Decodable {
        var bytes: Int
        var retransmits: Int?
      }
      struct Interval: Decodable { var sum: Sum }
      struct End: Decodable {
        var sent: Sum
        var received: Sum

        enum CodingKeys: String, CodingKey {
          case sent = "sum_sent"
          case received = "sum_received"
        }
      }
      var intervals: [Interval]
      var end: End
    }

    private func transfer(_ words: String) throws -> Report {
      try require(.tap, .program("iperf3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let port = try freePort()
      let server = try RunningCommand("iperf3", ["-s", "-1", "-p", "\(port)"])
      defer { server.stop() }
      let result = try daemon.guest(
        "iperf3 -c 192.168.5.2 -p \(port) -t 2 -i 0.25 -J \(words)")
      try #require(result.succeeded, "\(result)")
      return try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
    }

    private func check(_ report: Report) {
      let bytes = report.intervals.map(\.sum.bytes)
      // The last one may be short.
      #expect(bytes.count >= 8 && bytes.prefix(7).allSatisfy { $0 > 0 }, "\(bytes)")
      let packets = report.end.received.bytes / 1448
      #expect(packets > 1000, "\(report.end)")
      #expect(report.end.sent.retransmits ?? 0 <= packets / 1000, "\(report.end)")
    }

    @Test(arguments: ["4K", "16K", "64K", "256K"], ["", "-R"])
    func writesOfAnySizeFlow(size: String, direction: String) throws {
      check(try transfer("-l \(size) \(direction)"))
    }

    @Test(arguments: ["", "-P 4"])
    func aGuestWithBBRIsServedAsWell(streams: String) throws {
      try require(.congestionControl("bbr"))
      check(try transfer("-C bbr \(streams)"))
    }
  }
}
