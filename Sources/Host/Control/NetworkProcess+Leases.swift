// SPDX-License-Identifier: Apache-2.0
//
// Tells the supervisor when the addresses of guests change, so that what follows them there (instances' forwards, zones
// of Lima's) need not ask for them again and again. A plugin binds an address to its guest or publishes its name when it
// gives a lease, and takes that back at its end: either counts as a change. Thread: loop only.

import HostProtocol
import Platform

/// What has changed since the supervisor was told.
struct LeaseNotice {
  /// A guest that changes its mind all the time costs an event in so many nanoseconds.
  static let interval: UInt64 = 100_000_000

  private var isDue = false
  private var next: UInt64 = 0

  mutating func note() { isDue = true }

  /// Whether to tell now; else when to come back at the latest.
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

  /// At the end of a turn. Returns when to come back at the latest.
  func tellOfLeases() -> UInt64 {
    guard phase == .running else { return .max }
    let (tell, next) = leaseNotice.take(now: MonotonicClock.now())
    if tell { control.emit(.leasesChanged) }
    return next
  }
}
