// SPDX-License-Identifier: Apache-2.0
//
// Notifies the supervisor when the addresses of guests change, so that what depends on them there (instances'
// forwards, zones of Lima's) need not poll. A plugin binds an address to its guest or publishes its name when it
// grants a lease, and revokes that at its end: either counts as a change. Thread: loop only.

import HostProtocol
import Platform

/// The changes since the last notification.
struct LeaseNotice {
  /// Minimum nanoseconds between two notifications, however often a guest changes its addresses.
  static let interval: UInt64 = 100_000_000

  private var isDue = false
  private var next: UInt64 = 0

  mutating func note() { isDue = true }

  /// Whether to notify now; else the latest time to be called again.
  mutating func take(now: UInt64) -> (tell: Bool, next: UInt64) {
    guard isDue else { return (false, .max) }
    guard now >= next else { return (false, next) }
    isDue = false
    next = now &+ Self.interval
    return (true, .max)
  }
}

extension NetworkProcess {
  func leasesChanged() { leaseNotice.note() }

  /// At the end of an iteration. Returns the latest time to be called again.
  func tellOfLeases() -> UInt64 {
    guard phase == .running else { return .max }
    let (tell, next) = leaseNotice.take(now: MonotonicClock.now())
    if tell { control.emit(.leasesChanged) }
    return next
  }
}
