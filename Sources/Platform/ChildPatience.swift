// SPDX-License-Identifier: Apache-2.0
//
// ChildPatience: the time limit of a child process on a machine that may be loaded. It is checked at intervals, and
// counts only the time that the child could use (`ThreadUse.charge`). A check that is late, because the checking process
// was itself delayed, counts at most two intervals. A value: time and process state are arguments.

package struct ChildPatience: Sendable {
  /// Interval between checks, ns.
  package static let interval: UInt64 = 250_000_000
  /// Elapsed time that ends the process in any case, as a multiple of its limit.
  private static let longest: UInt64 = 12

  /// The limit, ns.
  package let limit: UInt64
  /// Counted time, ns.
  package private(set) var used: UInt64 = 0
  /// Elapsed time, ns.
  package private(set) var passed: UInt64 = 0
  private var last: UInt64
  private var use: ThreadUse?

  /// - Parameters:
  ///   - limit: ns.
  ///   - now: the child's start; ns, monotonic.
  package init(limit: UInt64, now: UInt64) {
    self.limit = limit
    last = now
  }

  /// Whether the limit has passed.
  /// - Parameter thread: the child's first thread; nil: unknown.
  package mutating func isOver(now: UInt64, _ thread: ThreadUse?) -> Bool {
    let interval = min(now &- last, 2 * Self.interval)
    passed &+= now &- last
    used &+= ThreadUse.charge(interval, from: use, to: thread).time
    last = now
    use = thread
    return used >= limit || passed >= limit &* Self.longest
  }

  /// The same for a child process, at the current time.
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
