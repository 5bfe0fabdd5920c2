// SPDX-License-Identifier: Apache-2.0
//
// Benchmarks/hostile, short: a guest that attacks in one way after the other, on a machine of its own. What it measures is
// docs/security.md's; here it is only whether all holds.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct HostileTests {
    @Test func `a guest that attacks leaves its neighbour answered, and nothing behind`() throws {
      try require(.tap, .root, .program("python3"), .program("cc"), .program("iperf3"))
      let result = try run(
        Installation.root + "/Benchmarks/hostile",
        ["--short", "--products", Installation.products], seconds: 400)
      #expect(result.succeeded, "\(result)")
      // A line for each attack, one without any, and two above them.
      let lines = result.output.split(separator: "\n").filter { $0.hasPrefix("| ") }
      #expect(lines.count == 15, "\(result)")
    }
  }
}
