// SPDX-License-Identifier: Apache-2.0
//
// ChildPatience: how long a process that was started may take, on a machine that may have little time for it. Looked at now
// and then, it counts time as the process can use it (`ThreadUse.charge`), and a look that comes late, because whoever looks
// was itself kept waiting, as one that came in time. A value: it knows no clock and no process.

package struct ChildPatience: Sendable {
  /// ns from one look to the next.
  package static let interval: UInt64 = 250_000_000
  /// However little of the machine it gets, this many times its limit is the end.
  private static let longest: UInt64 = 12

  /// ns of its own.
  package let limit: UInt64
  /// ns that were counted.
  package private(set) var used: UInt64 = 0
  /// ns that passed.
  package private(set) var passed: UInt64 = 0
  private var last: UInt64
  private var use: ThreadUse?

  /// - Parameters:
  ///   - limit: ns.
  ///   - now: when it was started; ns, monotonic.
  package init(limit: UInt64, now: UInt64) {
    self.limit = limit
    last = now
  }

  /// Whether its time is over.
  /// - Parameter thread: its first one; nil: not known.
  package mutating func isOver(now: UInt64, _ thread: ThreadUse?) -> Bool {
    let interval = min(now &- last, 2 * Self.interval)
    passed &+= now &- last
    used &+= ThreadUse.charge(interval, from: use, to: thread).time
    last = now
    use = thread
    return used >= limit || passed >= limit &* Self.longest
  }

  /// Of a process that this one has started, as it is now.
  package mutating func isOver(_ pid: Int32) -> Bool {
    isOver(now: MonotonicClock.now(), ThreadUse(firstThreadOf: pid))
  }

  /// "5 s", or "60 s, in which it got 1 s of the machine"
  package var text: String {
    let (own, all) = (used / 1_000_000_000, passed / 1_000_000_000)
    return used >= limit
      ? "\(limit / 1_000_000_000) s" : "\(all) s, in which it got \(own) s of the machine"
  }
}
