// SPDX-License-Identifier: Apache-2.0
//
// Watchdog: whether a network's process hangs, judged from looks at its heartbeat, one a second. A value: it knows no clock
// and no process.
//
// A process hangs while its loop has work and makes no turn: a callback does not return, the process is stopped, requests
// are not read. A loop that waits for events with nothing to do is at rest, however long. Time counts only as it is seen
// to pass:
//   - a look that comes late counts as one that came in time: the supervisor was stopped, or the machine suspended
//   - a thread that could run and gets no CPU counts by the CPU time that it gets, four times that: on a machine that is
//     loaded a turn takes longer
//   - one that waits for its memory to be read in does not count, nor one that a debugger has stopped

import Platform

/// What a look finds.
struct ProcessLook: Sendable, Equatable {
  /// ns, monotonic.
  var now: UInt64
  /// See `HeartbeatLayout.beat`.
  var beat: UInt64
  /// Requests that were sent and are not read.
  var unread: Bool
  /// Looked at only if it made no turn; nil: not known.
  var thread: ThreadUse?
}

struct Watchdog: Sendable {
  /// ns from one look to the next.
  static let interval: UInt64 = 1_000_000_000
  /// ns without a turn after which users are told.
  static let patience: UInt64 = 2_000_000_000

  private(set) var cause = ThreadUse.Cause.busy
  private var last: ProcessLook?
  /// ns, as they count.
  private var hung: UInt64 = 0
  /// ns that passed meanwhile.
  private var silent: UInt64 = 0

  /// ns that it has hung; 0: it has not.
  var hungTime: UInt64 { hung }
  /// ns for users to read; nil: it responds.
  var silence: UInt64? { silent >= Self.patience ? silent : nil }

  mutating func look(_ look: ProcessLook) {
    defer { last = look }
    guard let last, look.beat == last.beat, look.beat > 0, hasWork(look, last) else {
      hung = 0
      silent = 0
      return
    }
    let passed = min(look.now &- last.now, Self.interval)
    silent &+= passed
    let charge = ThreadUse.charge(passed, from: last.thread, to: look.thread)
    cause = charge.cause
    hung &+= charge.time
  }

  private func hasWork(_ look: ProcessLook, _ last: ProcessLook) -> Bool {
    if look.beat & 1 == 1 { return true }
    if let thread = look.thread, "Tt".contains(thread.state) { return true }
    // Those of the look before had their time.
    return look.unread && last.unread
  }
}
