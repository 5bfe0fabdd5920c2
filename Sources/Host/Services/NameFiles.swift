// SPDX-License-Identifier: Apache-2.0
//
// The files that say how the host finds names. When one of them changes, what a network has kept
// is of yesterday: the cache is dropped and the DNS plugin told, whichever it is.

import Platform

/// Looks at files when somebody asks, once a millisecond at most: a flood of questions pays
/// nothing that could be measured, and an idle network wakes for nothing. Links are followed, so that
/// a new target counts, too. Loop thread.
struct NameFiles {
  /// Nanoseconds between two looks.
  static let interval: UInt64 = 1_000_000

  private let paths: [String]
  private var stamps: [FileStamp]
  private var next: UInt64 = 0

  init(_ paths: [String] = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"]) {
    self.paths = paths
    stamps = paths.map { FileStamp(of: $0) }
  }

  /// Whether one of them is another than at the last look; false, too, when it is not time to look.
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
