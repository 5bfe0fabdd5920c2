// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Host

@Suite("The bounds of a process's log", .timeLimit(.minutes(1)))
struct LogBudgetTests {
  static let second: UInt64 = 1_000_000_000

  @Test func `lines of one kind are told a few times, then counted, and their number told`() {
    let budget = LogBudget(
      kind: .init(burst: 3, interval: 5 * Self.second),
      component: .init(burst: 100, interval: Self.second))
    let told = (0..<10).map { number in
      budget.admit("plugin slirp", "guest \(number) is called `vm\(number)-a`", now: 0)
    }
    #expect(told == [0, 0, 0, nil, nil, nil, nil, nil, nil, nil])
    // Another kind is not held up by it.
    #expect(budget.admit("plugin slirp", "guest 1 has left", now: 0) == 0)
    #expect(budget.admit("plugin slirp", "guest 1 is called `b`", now: 4 * Self.second) == nil)
    #expect(budget.admit("plugin slirp", "guest 1 is called `b`", now: 5 * Self.second) == 8)
    // The time of a part of a token is not lost.
    #expect(budget.admit("plugin slirp", "guest 1 is called `b`", now: 9 * Self.second) == nil)
    #expect(budget.admit("plugin slirp", "guest 1 is called `b`", now: 10 * Self.second) == 1)
  }

  @Test func `a component has a bound for all its kinds, and leaves others theirs`() {
    let budget = LogBudget(
      kind: .init(burst: 100, interval: Self.second),
      component: .init(burst: 4, interval: Self.second))
    let kinds = ["a", "b", "c", "d", "e", "f"]
    #expect(kinds.map { budget.admit("plugin x", $0, now: 0) } == [0, 0, 0, 0, nil, nil])
    #expect(budget.admit("plugin y", "a", now: 0) == 0)
    #expect(budget.admit("plugin x", "f", now: Self.second) == 1)
  }

  @Test func `kinds without end share one bucket beyond the first hundreds`() {
    let budget = LogBudget(
      kind: .init(burst: 1, interval: Self.second),
      component: .init(burst: 10_000, interval: Self.second))
    // Letters only: digits do not make a kind.
    func word(_ number: Int) -> String {
      var (text, rest) = ("", number)
      repeat {
        text.append(Array("abcdefghij")[rest % 10])
        rest /= 10
      } while rest > 0
      return text
    }
    let told = (0..<2000).count { budget.admit("p", "kind \(word($0))!", now: 0) != nil }
    #expect(told <= 257)
    #expect(told >= 200)
  }
}
