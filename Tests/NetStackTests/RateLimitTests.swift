// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

@Suite(.timeLimit(.minutes(5))) struct RateLimitTests {
  /// 1,900 s of one token a second, asked 1.9 s apart: 1,900 tokens, not 1,000.
  @Test func `a token bucket loses no part of an interval`() {
    var limit = RateLimit(burst: 5, interval: 1_000)
    for _ in 0..<5 { #expect(limit.take(now: 0)) }
    var (now, taken): (UInt64, Int) = (0, 0)
    for _ in 0..<1000 {
      now += 1_900
      while limit.take(now: now) { taken += 1 }
    }
    #expect(taken == 1_900)
  }

  @Test func `a bucket that is full stays full, and a long silence is worth no more`() {
    var limit = RateLimit(burst: 3, interval: 10)
    for start: UInt64 in [1_000, 1_000_000, .max - 100] {
      for _ in 0..<3 { #expect(limit.take(now: start)) }
      #expect(!limit.take(now: start + 9))
      #expect(limit.take(now: start + 10))
      #expect(!limit.take(now: start + 10))
    }
  }
}
