// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing

@testable import NetStack

/// Thousands of connections under random circumstances. LIMA_NETD_SEEDS is their number, LIMA_NETD_SEED a single seed.
@Suite(.timeLimit(.minutes(30)))
struct TCPSimulationTests {
  private static func number(_ name: String) -> UInt64? {
    getenv(name).flatMap { UInt64(String(cString: $0)) }
  }

  private static let seeds: ClosedRange<UInt64> = {
    if let one = number("LIMA_NETD_SEED") { return one...one }
    return 1...max(1, number("LIMA_NETD_SEEDS") ?? 2000)
  }()

  @Test func `bytes delivered are bytes sent, or the connection is reset`() {
    for seed in Self.seeds {
      let scenario = Scenario(seed: seed)
      let problems = scenario.run()
      guard !problems.isEmpty else { continue }
      Issue.record(
        """
        seed \(seed) (LIMA_NETD_SEED=\(seed) runs it alone): \(problems.joined(separator: ", "))
        \(scenario.simulation.trace.text)
        """)
      return
    }
  }

  @Test func `a seed says all`() {
    let seed: UInt64 = 17
    let first = Scenario(seed: seed)
    let second = Scenario(seed: seed)
    #expect(first.run() == second.run())
    #expect(first.simulation.trace.text == second.simulation.trace.text)
    #expect(first.simulation.trace.text.contains("stack > guest  [.] seq"))
  }
}
