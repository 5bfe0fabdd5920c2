// SPDX-License-Identifier: Apache-2.0
//
// At most so many messages of a kind in a while; the rest is only counted.

struct RateLimit {
  private let burst: Int
  private let interval: UInt64
  private var started: UInt64 = 0
  private var used = 0
  private(set) var suppressed: UInt64 = 0

  /// `burst` messages in each `interval` nanoseconds.
  init(burst: Int, interval: UInt64) {
    self.burst = burst
    self.interval = interval
  }

  /// Whether to say it, and how many of its kind went unsaid before.
  mutating func admit(_ now: UInt64) -> UInt64? {
    if now &- started >= interval {
      started = now
      used = 0
    }
    guard used < burst else {
      suppressed &+= 1
      return nil
    }
    used += 1
    defer { suppressed = 0 }
    return suppressed
  }
}
