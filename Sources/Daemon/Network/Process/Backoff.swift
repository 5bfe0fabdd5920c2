// SPDX-License-Identifier: Apache-2.0
//
// Backoff: how long to wait before a process that died is started again. The first time not at all, so that a network
// is back within a second; then 0.1 s, doubled each time, up to 10 s. A life of 30 s starts over.

struct Backoff: Sendable {
  private(set) var failures = 0

  static let longLife: UInt64 = 30_000_000_000
  private static let first: UInt64 = 100_000_000
  private static let longest: UInt64 = 10_000_000_000

  /// Nanoseconds to wait after a life of `lifetime` nanoseconds.
  mutating func delay(afterLife lifetime: UInt64) -> UInt64 {
    if lifetime >= Self.longLife { failures = 0 }
    defer { failures += 1 }
    guard failures > 0 else { return 0 }
    let doubled = failures > 10 ? Self.longest : Self.first << UInt64(failures - 1)
    return min(doubled, Self.longest)
  }

  mutating func reset() { failures = 0 }
}
