// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

@Suite(.timeLimit(.minutes(1))) struct ChildPatienceTests {
  private static let second: UInt64 = 1_000_000_000

  /// Looks every quarter of a second until the time is over; how many seconds passed, at most 1,000.
  /// - Parameter cpu: ms of CPU that it gets in each.
  private func seconds(_ state: Character?, cpu: UInt64 = 0, faults: UInt64 = 0) -> Double {
    var patience = ChildPatience(limit: 5 * Self.second, now: 0)
    for look in 1...4000 as ClosedRange<UInt64> {
      let use = state.map {
        ThreadUse(state: $0, runTime: look * cpu * 1_000_000, majorFaults: look * faults)
      }
      if patience.isOver(now: look * ChildPatience.interval, use) { return Double(look) / 4 }
    }
    return 1000
  }

  @Test func `one that sleeps, is stopped, or cannot be looked at has its limit`() {
    for state in ["S", "D", "T", nil] as [Character?] { #expect(seconds(state) == 5) }
  }

  @Test func `one that has a processor for itself has its limit`() {
    // The first look has nothing to compare with.
    #expect(seconds("R", cpu: 250) == 5.25)
  }

  @Test func `one that gets a twentieth of a processor has five times as long`() {
    #expect(seconds("R", cpu: 12) > 25)
  }

  @Test func `one that gets nothing, or waits for its memory, is given up all the same`() {
    #expect(seconds("R") == 60)
    #expect(seconds("D", faults: 1) == 60)
  }

  @Test func `a look that comes late counts as one or two`() {
    var patience = ChildPatience(limit: 5 * Self.second, now: 0)
    let use = ThreadUse(state: "S", runTime: 0, majorFaults: 0)
    let isOver = patience.isOver(now: 30 * Self.second, use)
    #expect(!isOver)
    #expect(patience.used == 2 * ChildPatience.interval)
  }

  @Test func `a program that sleeps for longer than it may is ended, one that is quick is not`()
    throws
  {
    let slow = try BoundedCommand.run("/bin/sleep", ["30"], seconds: 1)
    #expect(slow.status == nil)
    let quick = try BoundedCommand.run("/bin/sh", ["-c", "echo there"], seconds: 1)
    #expect(quick.succeeded && quick.output == "there\n")
  }
}
