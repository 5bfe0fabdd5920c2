// SPDX-License-Identifier: Apache-2.0
//
// EventLoop: the fds, timers and deferred work of one thread, with closures; for control paths (the supervisor, the
// network process's control channel, the CLI). The data path uses Poller directly. Not Sendable: everything but
// `waker` belongs to the thread that runs it.

import LibC

package final class EventLoop {
  package struct TimerID: Hashable, Sendable {
    fileprivate let raw: UInt64
  }

  /// [any thread] `wake` runs `onWake` on the loop's thread in its next iteration.
  package let waker: Waker
  package var onWake: (() -> Void)?
  /// Runs before the loop waits, and after each callback, timer and piece of deferred work: what they have left to do.
  package var afterCallback: (() -> Void)?

  private struct Watch {
    var generation: UInt32
    var callback: (PollEvents) -> Void
  }

  private let poller: Poller
  private var watches: [Int32: Watch] = [:]
  private var generation: UInt32 = 0
  private var timers = TimerHeap(limit: .max)
  /// The actions of `timers`, by the timers' payloads.
  private var actions: [UInt64: () -> Void] = [:]
  private var deferred: [() -> Void] = []
  private var stopping = false

  package init() throws(SystemError) {
    poller = try Poller()
    waker = try Waker()
    _ = try check("epoll_ctl", poller.add(waker.readFD, .read, token: EventLoop.wakeToken))
  }

  private static let wakeToken = UInt64.max

  /// Watches an fd, level-triggered. Errors and hang-ups are always reported. The caller owns the fd and calls
  /// `remove` before it closes it.
  package func add(
    _ fd: Int32, _ interest: PollEvents, _ callback: @escaping (PollEvents) -> Void
  ) throws(SystemError) {
    generation &+= 1
    _ = try check("epoll_ctl", poller.add(fd, interest, token: token(fd)))
    watches[fd] = Watch(generation: generation, callback: callback)
  }

  package func modify(_ fd: Int32, _ interest: PollEvents) throws(SystemError) {
    guard let watch = watches[fd] else { throw SystemError("epoll_ctl", Errno(ENOENT)) }
    let token = UInt64(watch.generation) << 32 | UInt64(UInt32(bitPattern: fd))
    _ = try check("epoll_ctl", poller.modify(fd, interest, token: token))
  }

  /// Idempotent. Events already collected for it are not delivered.
  package func remove(_ fd: Int32) {
    guard watches.removeValue(forKey: fd) != nil else { return }
    poller.remove(fd)
  }

  /// Runs `action` once at `deadline` (`MonotonicClock`, nanoseconds) or soon
  /// after.
  @discardableResult
  package func schedule(at deadline: UInt64, _ action: @escaping () -> Void) -> TimerID {
    let number = timers.lastArmed &+ 1
    actions[number] = action
    return TimerID(raw: timers.arm(deadline, number))
  }

  /// Runs `action` once after `delay` nanoseconds.
  @discardableResult
  package func schedule(after delay: UInt64, _ action: @escaping () -> Void) -> TimerID {
    schedule(at: MonotonicClock.now() &+ delay, action)
  }

  /// A timer that has fired is ignored.
  package func cancel(_ timer: TimerID) {
    if let number = timers.cancel(timer.raw) { actions[number] = nil }
  }

  /// Deferred work: runs `action` at the end of this iteration of the loop.
  package func later(_ action: @escaping () -> Void) { deferred.append(action) }

  /// Iterates until `stop`.
  package func run() {
    while !stopping { turn() }
    stopping = false
  }

  /// Makes `run` return after this iteration.
  package func stop() {
    stopping = true
    waker.wake()
  }

  /// One iteration: waits for the first event or timer, at most `limit` nanoseconds (nil: no limit), and handles all
  /// that are due.
  package func turn(limit: UInt64? = nil) {
    afterCallback?()
    let count = max(0, poller.wait(timeout: timeout(limit)))
    for index in 0..<count {
      let (token, events) = poller.event(index)
      guard token != EventLoop.wakeToken else {
        waker.drain()
        onWake?()
        afterCallback?()
        continue
      }
      let fd = Int32(bitPattern: UInt32(truncatingIfNeeded: token))
      guard let watch = watches[fd], watch.generation == UInt32(token >> 32) else { continue }
      watch.callback(events)
      afterCallback?()
    }
    let now = MonotonicClock.now()
    while let timer = timers.popDue(now) {
      actions.removeValue(forKey: timer.payload)?()
      afterCallback?()
    }
    while !deferred.isEmpty {
      let work = deferred
      deferred = []
      for action in work {
        action()
        afterCallback?()
      }
    }
  }

  private func token(_ fd: Int32) -> UInt64 {
    UInt64(generation) << 32 | UInt64(UInt32(bitPattern: fd))
  }

  private func timeout(_ limit: UInt64?) -> Int64 {
    guard deferred.isEmpty, !stopping else { return 0 }
    var wait = limit ?? UInt64.max
    if let next = timers.next {
      let now = MonotonicClock.now()
      wait = min(wait, next > now ? next - now : 0)
    }
    return wait > UInt64(Int64.max) ? -1 : Int64(wait)
  }
}
