// SPDX-License-Identifier: Apache-2.0
//
// The files that configure the host's name resolution. When one changes, cached answers may be wrong: the cache is
// flushed and the DNS plugin notified.

import Platform

/// Checks the files on a question, at most once a millisecond: a flood of questions pays no measurable cost, and an
/// idle network does not wake up. Links are followed, so that a new target counts, too. Loop thread.
struct NameFiles {
  /// Minimum nanoseconds between two checks.
  static let interval: UInt64 = 1_000_000

  private let paths: [String]
  private var stamps: [FileStamp]
  private var next: UInt64 = 0

  init(_ paths: [String] = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"]) {
    self.paths = paths
    stamps = paths.map { FileStamp(of: $0) }
  }

  /// Whether a file has changed since the last check; also false when it is too early for one.
  mutating func changed(now: UInt64) -> Bool {
    guard now >= next else { return false }
    next = now &+ Self.interval
    var changed = false
    for index in paths.indices {
      let current = FileStamp(of: paths[index])
      if current != stamps[index] {
        stamps[index] = current
        changed = true
      }
    }
    return changed
  }
}
