// SPDX-License-Identifier: Apache-2.0
//
// A rate limit for each of many keys. Bounded: when the table is full all limits are reset.

struct StationLimits<Key: Hashable> {
  private var buckets: [Key: TokenBucket] = [:]
  private let burst: UInt64
  private let interval: UInt64
  private static var limit: Int { 1024 }

  /// - Parameter interval: nanoseconds until a key has another token.
  init(burst: UInt64, interval: UInt64) {
    self.burst = burst
    self.interval = interval
  }

  mutating func take(_ key: Key, now: UInt64) -> Bool {
    if buckets[key] == nil {
      if buckets.count >= Self.limit { buckets = [:] }
      buckets[key] = TokenBucket(burst: burst, interval: interval)
    }
    return buckets[key]?.take(now: now) ?? false
  }
}
