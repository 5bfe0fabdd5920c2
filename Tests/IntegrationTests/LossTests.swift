// SPDX-License-Identifier: Apache-2.0
//
// A real guest whose kernel loses packets: nftables drops some of what comes in, and of what
// goes out, at random.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct LossTests {
    /// Drops one TCP packet in `one` at random; a super-frame is one.
    private static func rule(_ hook: String, one: Int) -> String {
      """
      nft add table ip loss; \
      nft add chain ip loss \(hook) '{ type filter hook \(hook) priority 0; }'; \
      nft add rule ip loss \(hook) meta l4proto tcp numgen random mod \(one) == 0 counter drop
      """
    }

    @Test(arguments: [("input", "-R", nil), ("output", "", "cubic"), ("output", "", "bbr")])
    func aGuestThatLosesFramesStillTransfers(
      hook: String, direction: String, congestionControl: String?
    ) throws {
      try require(.tap, .program("nft"), .program("iperf3"))
      if let congestionControl { try require(.congestionControl(congestionControl)) }
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let port = try freePort()
      let server = try RunningCommand("iperf3", ["-s", "-1", "-p", "\(port)"])
      defer { server.stop() }
      let result = try daemon.guest(
        """
        \(Self.rule(hook, one: 30)) || exit 7; \
        iperf3 -c 192.168.5.2 -p \(port) -n 60M -J \(direction) \(congestionControl.map { "-C \($0)" } ?? ""); \
        nft list table ip loss
        """)
      try #require(result.succeeded, "\(result)")
      let dropped = try #require(
        result.output.firstMatch(of: /counter packets (\d+)/).flatMap { Int($0.1) })
      #expect(dropped > 5, "\(result.output)")
      let rates = result.output.matches(of: /"bits_per_second":\s*([0-9.e+]+)/)
      let rate = try #require(rates.last.flatMap { Double($0.1) })
      // Faster than with a timeout, of 200 ms at least, for each packet that was lost.
      #expect(60e6 * 8 / rate < 0.2 * Double(dropped), "\(rate) bit/s, \(dropped) lost")
    }
  }
}
