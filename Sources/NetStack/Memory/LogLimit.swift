// SPDX-License-Identifier: Apache-2.0

/// Limits a message to one per minute, however often its reason occurs.
struct LogLimit: BitwiseCopyable {
  private static let pause: UInt64 = 60_000_000_000
  private var next: UInt64 = 0
  private var suppressed: UInt64 = 0

  /// Number of messages dropped since the last one; nil: this one is dropped, too.
  mutating func take(now: UInt64) -> UInt64? {
    guard now >= next else {
      suppressed &+= 1
      return nil
    }
    next = now &+ Self.pause
    defer { suppressed = 0 }
    return suppressed
  }
}
