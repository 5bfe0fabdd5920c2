// SPDX-License-Identifier: Apache-2.0

/// Lets a message into the log once a minute, however often its reason occurs.
struct LogLimit: BitwiseCopyable {
  private static let pause: UInt64 = 60_000_000_000
  private var next: UInt64 = 0
  private var suppressed: UInt64 = 0

  /// How many were left out since the last one; nil when this one is, too.
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
