// SPDX-License-Identifier: Apache-2.0

/// A token bucket: `burst` tokens, one more every `interval` ns.
struct TokenBucket: BitwiseCopyable {
  private var tokens: UInt64
  private var refilled: UInt64 = 0
  private let burst: UInt64
  private let interval: UInt64

  init(burst: UInt64, interval: UInt64) {
    self.burst = burst
    self.interval = interval
    tokens = burst
  }

  mutating func take(now: UInt64) -> Bool {
    let earned = (now &- refilled) / interval
    if earned >= burst &- tokens {
      tokens = burst
      refilled = now
    } else {
      // The remaining fraction of an interval is kept.
      tokens &+= earned
      refilled &+= earned &* interval
    }
    guard tokens > 0 else { return false }
    tokens &-= 1
    return true
  }
}
