// SPDX-License-Identifier: Apache-2.0
//
// Limits messages of a kind per interval; the rest is only counted.

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

  /// The number of messages dropped since the last one; nil: this one is dropped.
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
