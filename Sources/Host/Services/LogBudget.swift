// SPDX-License-Identifier: Apache-2.0
//
// LogBudget: limits how many lines a process logs. Events that a guest, a client or a plugin can repeat at will are
// logged often enough for a reader and too rarely to fill a disk: each kind of line has a token bucket, and each
// component one for all its kinds. Dropped lines are counted; the next line of the kind reports the number.
//
// The kind of a line is its text without digits and text between backticks. Pure: time is an argument. Any thread; a
// lock is held for some hundred nanoseconds.

import Synchronization

final class LogBudget: Sendable {
  struct Bucket: Sendable {
    var tokens: UInt32
    /// Nanoseconds, monotonic: the time up to which tokens have been added.
    var filled: UInt64
    var leftOut: UInt64 = 0
  }

  /// Burst in lines, and nanoseconds per further line.
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
  /// Maximum kinds, and components, with buckets of their own; further ones share one bucket.
  private static let maximum = 256

  init(
    kind: Rate = Rate(burst: 60, interval: 5_000_000_000),
    component: Rate = Rate(burst: 600, interval: 250_000_000)
  ) {
    self.kind = kind
    self.component = component
  }

  /// The number of dropped lines of the kind since the last logged one; nil: this line is dropped.
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

  /// Adds whole tokens only; the time for a fraction is kept.
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

  /// FNV-1a of the component and the kind, from the first 160 octets of the text.
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
