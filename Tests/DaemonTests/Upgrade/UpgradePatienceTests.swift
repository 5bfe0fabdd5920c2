// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

/// How long an upgrade waits for what is under way.
@Suite("The patience of an upgrade", .timeLimit(.minutes(1)))
struct UpgradePatienceTests {
  private static let second: UInt64 = 1_000_000_000

  @Test func `it goes on when nothing was under way for a moment`() {
    var patience = UpgradePatience(now: 100)
    #expect(patience.step(now: 100, obstacle: nil) == .wait)
    #expect(patience.step(now: 100 + UpgradePatience.quiet, obstacle: nil) == .goOn)
  }

  @Test func `the moment begins anew with each thing that is`() {
    var patience = UpgradePatience(now: 0)
    #expect(patience.step(now: 0, obstacle: nil) == .wait)
    #expect(patience.step(now: UpgradePatience.quiet - 1, obstacle: "x") == .wait)
    #expect(patience.step(now: UpgradePatience.quiet, obstacle: nil) == .wait)
    #expect(patience.step(now: 2 * UpgradePatience.quiet, obstacle: nil) == .goOn)
  }

  @Test func `clients are told to ask again, and in the end it gives up with the reason`() {
    var patience = UpgradePatience(now: 0)
    #expect(patience.step(now: Self.second, obstacle: "x") == .wait)
    #expect(patience.step(now: 2 * Self.second, obstacle: "x") == .disappoint)
    #expect(patience.step(now: 3 * Self.second, obstacle: "x") == .disappoint)
    #expect(patience.step(now: 10 * Self.second, obstacle: "why") == .giveUp("why"))
  }
}
