// SPDX-License-Identifier: Apache-2.0
//
// LogAllowance: how much a plugin may log. A plugin that logs each frame would fill the disk: in ten seconds it has 200
// lines, of which a long one counts as several; what is left out is told with the next line. Any thread, no lock.

import Synchronization

struct LogAllowance: ~Copyable {
  static let window: UInt64 = 10_000_000_000
  static let lines: UInt64 = 200
  /// Bytes that count as a line.
  static let lineLength = 256

  private let began = Atomic<UInt64>(0)
  private let used = Atomic<UInt64>(0)
  private let unsaid = Atomic<UInt64>(0)

  /// Whether to write a line of so many bytes, and how many were left out before it.
  /// - Parameter now: monotonic nanoseconds.
  func admit(_ length: Int, _ now: UInt64) -> UInt64? {
    let start = began.load(ordering: .relaxed)
    if start == 0 || now &- start >= Self.window {
      // Of several threads one begins the window.
      if began.compareExchange(expected: start, desired: now, ordering: .relaxed).exchanged {
        used.store(0, ordering: .relaxed)
      }
    }
    let cost = 1 + UInt64(max(0, length) / Self.lineLength)
    guard used.add(cost, ordering: .relaxed).newValue <= Self.lines else {
      unsaid.add(1, ordering: .relaxed)
      return nil
    }
    return unsaid.exchange(0, ordering: .relaxed)
  }
}
