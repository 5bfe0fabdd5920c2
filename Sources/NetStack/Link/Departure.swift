// SPDX-License-Identifier: Apache-2.0

/// When the sockets of a guest that is gone are closed: some at once and the others a few in each
/// millisecond. The end of each takes some system calls, and a guest may have had thousands; meanwhile
/// the loop belongs to other guests. All engines together have one for each end of a link.
struct Departure {
  /// Sockets that are closed in the iteration in which the guest goes; a socket with much behind it counts as several.
  private var atOnce: Int
  /// The others, up to now.
  private var later = 0
  /// Of these in each millisecond.
  static let perMillisecond = 128

  init(atOnce: Int = 256) { self.atOnce = atOnce }

  /// Whether the next socket is closed now; otherwise it has `delay`.
  /// - Parameter cost: of its end, in sockets with nothing behind them.
  mutating func endsNow(cost: Int = 1) -> Bool {
    guard atOnce > 0 else { return false }
    atOnce -= cost
    return true
  }

  /// When the next one is closed, after now. Nanoseconds.
  mutating func delay(cost: Int = 1) -> UInt64 {
    later += cost
    return UInt64(1 + later / Self.perMillisecond) &* 1_000_000
  }
}
