// SPDX-License-Identifier: Apache-2.0

/// When the sockets of a guest that is gone are closed: some at once and the others a few per millisecond. Each close
/// takes some system calls, and a guest may have had thousands; the loop serves other guests in between. All engines
/// share one per link that ends.
struct Departure {
  /// Sockets that may still be closed in this iteration; a socket with much state counts as several.
  private var atOnce: Int
  /// Sockets scheduled for later so far.
  private var later = 0
  /// Of the later ones, closed per millisecond.
  static let perMillisecond = 128

  init(atOnce: Int = 256) { self.atOnce = atOnce }

  /// Whether the next socket is closed now; otherwise it is closed after `delay`.
  /// - Parameter cost: of its close, in sockets without further state.
  mutating func endsNow(cost: Int = 1) -> Bool {
    guard atOnce > 0 else { return false }
    atOnce -= cost
    return true
  }

  /// Delay of the next one. Nanoseconds.
  mutating func delay(cost: Int = 1) -> UInt64 {
    later += cost
    return UInt64(1 + later / Self.perMillisecond) &* 1_000_000
  }
}
