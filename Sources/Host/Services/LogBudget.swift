// SPDX-License-Identifier: Apache-2.0
//
// LogBudget: how many lines a process logs. What a guest, a client or a plugin can make happen again and again is told so
// often that a reader learns of it, and no disk fills: each kind of line has a token bucket, and each component one for
// all its kinds. What is left out is counted, and told with the next line of the kind.
//
// The kind of a line is its text without what differs each time: digits, and what stands between backticks.
// Pure: time is an argument. Any thread; a lock is held for some hundred nanoseconds.

import Synchronization

final class LogBudget: Sendable {
  struct Bucket: Sendable {
    var tokens: UInt32
    /// Nanoseconds, monotonic: until when tokens have been added.
    var filled: UInt64
    var leftOut: UInt64 = 0
  }

  /// Lines at once, and nanoseconds for one more.
  struct Rate: Sendable {
    var burst: UInt32
    var interval: UInt64
  }

  private struct State {
    var kinds: [UInt64: Bucket] = [:]
    var components: [String: Bucket] = [:]
  }

  private let state = Mutex(State())
  private let kind: Rate
  private let component: Rate
  /// Kinds, and components, that are told apart; those beyond share one bucket.
  private static let maximum = 256

  init(
    kind: Rate = Rate(burst: 60, interval: 5_000_000_000),
    component: Rate = Rate(burst: 600, interval: 250_000_000)
  ) {
    self.kind = kind
    self.component = component
  }

  /// Whether the line is told: how many of its kind were left out since the last one; nil: it is left out.
  func admit(_ component: String, _ text: String, now: UInt64) -> UInt64? {
    let shape = Self.shape(component, text)
    return state.withLock { state in
      let key = state.kinds[shape] != nil || state.kinds.count < Self.maximum ? shape : 0
      let name =
        state.components[component] != nil || state.components.count < Self.maximum ? component : ""
      var ofKind = state.kinds[key] ?? Bucket(tokens: kind.burst, filled: now)
      var ofComponent =
        state.components[name] ?? Bucket(tokens: self.component.burst, filled: now)
      Self.fill(&ofKind, kind, now)
      Self.fill(&ofComponent, self.component, now)
      defer {
        state.kinds[key] = ofKind
        state.components[name] = ofComponent
      }
      guard ofKind.tokens > 0, ofComponent.tokens > 0 else {
        ofKind.leftOut += 1
        return nil
      }
      ofKind.tokens -= 1
      ofComponent.tokens -= 1
      defer { ofKind.leftOut = 0 }
      return ofKind.leftOut
    }
  }

  /// Whole tokens only: the time of a part of one stays to be counted.
  private static func fill(_ bucket: inout Bucket, _ rate: Rate, _ now: UInt64) {
    guard now > bucket.filled else { return }
    let more = (now - bucket.filled) / rate.interval
    guard more > 0 else { return }
    if more >= UInt64(rate.burst - min(bucket.tokens, rate.burst)) {
      bucket.tokens = rate.burst
      bucket.filled = now
    } else {
      bucket.tokens += UInt32(more)
      bucket.filled += more * rate.interval
    }
  }

  /// FNV-1a of the first 160 octets that make up the kind.
  private static func shape(_ component: String, _ text: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    component.utf8.forEach(add)
    add(0)
    var isQuoted = false
    for byte in text.utf8.prefix(160) {
      if byte == 0x60 { isQuoted.toggle() }
      if !isQuoted, !(0x30...0x39).contains(byte) { add(byte) }
    }
    return hash == 0 ? 1 : hash
  }
}
