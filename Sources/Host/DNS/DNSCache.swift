// SPDX-License-Identifier: Apache-2.0
//
// The cache of answers for the guests of a network.
//
// It holds checked answers: NOERROR and NXDOMAIN, not truncated, with a TTL. An answer lives as long as its shortest
// TTL (RFC 1035 3.2.1, RFC 2181 5.2); a negative one as long as its SOA says, and is not cached without SOA (RFC 2308
// 5). Failures are not cached, so that names resolve as soon as the host is online again.
//
// When full, the clock algorithm evicts: a pointer cycles through the entries and takes the first that was not used
// since its last pass. Frequently used names survive a sweep through ten thousand others.

import DNSMessage

/// Loop thread. Bounded by entries and octets.
struct DNSCache {
  struct Limits: Sendable {
    var entries = 16384
    /// Maximum octets of all answers and keys with their overhead.
    var octets = 4 << 20
  }

  /// Octets of overhead per entry.
  private static let overhead = 160

  private struct Entry {
    let key: DNSCacheKey
    let answer: DNSAnswer
    /// Nanoseconds of the clock that includes the host's sleep, as every `now` here.
    let stored: UInt64
    let expires: UInt64
    var isUsed = false

    var cost: Int { DNSCache.overhead + 2 * key.count + answer.records.count * 3 / 2 }
  }

  struct Counters: Codable, Equatable {
    var hits: UInt64 = 0
    var misses: UInt64 = 0
    /// Entries evicted before they expired.
    var evictions: UInt64 = 0
    var flushes: UInt64 = 0
  }

  private(set) var counters = Counters()
  private(set) var octets = 0
  private let limits: Limits
  private var index: [DNSCacheKey: Int] = [:]
  private var entries: [Entry?] = []
  private var free: [Int] = []
  private var hand = 0

  init(limits: Limits = Limits()) {
    self.limits = limits
  }

  var count: Int { index.count }

  /// The answer to `key` and its age in seconds.
  mutating func find(_ key: DNSCacheKey, now: UInt64) -> (DNSAnswer, age: UInt32)? {
    guard let slot = index[key], let entry = entries[slot] else {
      counters.misses &+= 1
      return nil
    }
    guard entry.expires > now else {
      remove(slot)
      counters.misses &+= 1
      return nil
    }
    counters.hits &+= 1
    if !entry.isUsed { entries[slot]?.isUsed = true }
    return (entry.answer, Self.age(entry, now))
  }

  private static func age(_ entry: Entry, _ now: UInt64) -> UInt32 {
    UInt32(clamping: (now &- entry.stored) / 1_000_000_000)
  }

  /// Caches an answer if that is permitted.
  mutating func store(_ key: DNSCacheKey, _ answer: DNSAnswer, now: UInt64) {
    guard limits.entries > 0, let lifetime = answer.lifetime else { return }
    let entry = Entry(
      key: key, answer: answer.kept, stored: now,
      expires: now &+ UInt64(lifetime.seconds) * 1_000_000_000)
    guard entry.cost <= limits.octets / 16 else { return }
    if let slot = index[key] { remove(slot) }
    while index.count >= limits.entries || octets + entry.cost > limits.octets { evict(now) }
    let slot = free.popLast() ?? addSlot()
    entries[slot] = entry
    index[key] = slot
    octets += entry.cost
  }

  mutating func flush() {
    counters.flushes &+= 1
    guard !index.isEmpty else { return }
    index = [:]
    entries = []
    free = []
    hand = 0
    octets = 0
  }

  mutating func remove(where isUnwanted: (DNSCacheKey) -> Bool) {
    counters.flushes &+= 1
    for slot in entries.indices {
      if let entry = entries[slot], isUnwanted(entry.key) { remove(slot) }
    }
  }

  /// Enumerates entries with their remaining seconds, from a slot on, until `body` returns false.
  /// - Returns: the next slot; nil after the last.
  @discardableResult
  func forEach(
    from start: Int = 0, atMost places: Int = .max, now: UInt64,
    _ body: (DNSCacheKey, DNSAnswer, _ left: UInt64) -> Bool
  ) -> Int? {
    guard start >= 0, start < entries.count else { return nil }
    let end = start + min(places, entries.count - start)
    for place in start..<end {
      guard let entry = entries[place], entry.expires > now else { continue }
      let left = (entry.expires - now + 999_999_999) / 1_000_000_000
      guard body(entry.key, entry.answer, left) else {
        return place + 1 < entries.count ? place + 1 : nil
      }
    }
    return end < entries.count ? end : nil
  }

  private mutating func addSlot() -> Int {
    entries.append(nil)
    return entries.count - 1
  }

  private mutating func remove(_ slot: Int) {
    guard let entry = entries[slot] else { return }
    index[entry.key] = nil
    octets -= entry.cost
    entries[slot] = nil
    free.append(slot)
  }

  /// Evicts one entry. Precondition: the table is full.
  private mutating func evict(_ now: UInt64) {
    while !index.isEmpty {
      if hand >= entries.count { hand = 0 }
      defer { hand += 1 }
      guard let entry = entries[hand] else { continue }
      if entry.isUsed, entry.expires > now {
        entries[hand]?.isUsed = false
        continue
      }
      if entry.expires > now { counters.evictions &+= 1 }
      remove(hand)
      return
    }
  }
}
