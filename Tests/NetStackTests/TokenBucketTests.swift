// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

@Suite(.timeLimit(.minutes(5))) struct TokenBucketTests {
  /// Requests `count` tokens and returns the number granted.
  private func take(_ count: Int, from limit: inout TokenBucket, at now: UInt64) -> Int {
    (0..<count).count { _ in limit.take(now: now) }
  }

  /// 1,900 s of one token a second, asked 1.9 s apart: 1,900 tokens, not 1,000.
  @Test func `a token bucket loses no part of an interval`() {
    var limit = TokenBucket(burst: 5, interval: 1_000)
    let first = take(9, from: &limit, at: 0)
    #expect(first == 5)
    var taken = 0
    for step in 1...1000 { taken += take(5, from: &limit, at: UInt64(step) * 1_900) }
    #expect(taken == 1_900)
  }

  @Test func `a bucket that is full stays full, and a long silence is worth no more`() {
    var limit = TokenBucket(burst: 3, interval: 10)
    for start: UInt64 in [1_000, 1_000_000, .max - 100] {
      let taken = [0, 9, 10, 10].map { take(9, from: &limit, at: start + $0) }
      #expect(taken == [3, 0, 1, 0])
    }
  }
}
