// SPDX-License-Identifier: Apache-2.0
//
// LoopExecutor: runs Swift's jobs on the thread of an event loop, in the order in which they were enqueued: after the
// callback that enqueued them, before the loop waits again. Other threads wake the loop.
//
// It is the executor of actors, and what their tasks prefer: a task that goes on after a continuation is enqueued where it
// prefers to run, and would otherwise take a way round by a thread of the runtime, out of its order.

import Platform
import Synchronization

final class LoopExecutor: SerialExecutor, TaskExecutor {
  private struct State: ~Copyable {
    /// A job's number is its place in the order; those before `first` have run.
    var jobs: [UnownedJob] = []
    var first = 0
    var isRunning = false

    mutating func next() -> UnownedJob? {
      guard first < jobs.count else {
        jobs.removeAll(keepingCapacity: jobs.count <= 1024)
        first = 0
        return nil
      }
      defer { first += 1 }
      return jobs[first]
    }
  }

  private let state = Mutex(State())
  private let waker: Waker
  private let thread = ThreadID.current

  /// As many run before the loop looks at its descriptors again, and for so long, ns.
  static let mostJobs = 256
  private static let longest: UInt64 = 5_000_000

  /// [loop] The thread that makes it is the loop's.
  init(_ waker: Waker) { self.waker = waker }

  /// [any thread]
  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    state.withLock { $0.jobs.append(job) }
    if !isOnLoop { waker.wake() }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  func isIsolatingCurrentContext() -> Bool? { isOnLoop }

  // A mistake of this program alone: nothing from outside chooses the thread. Going on would be a data race.
  func checkIsolated() { precondition(isOnLoop, "this belongs to the loop's thread") }

  private var isOnLoop: Bool { ThreadID.current == thread }

  /// [loop] Runs what is enqueued, and what that enqueues. Within a job it does nothing.
  func run() {
    let isNested = state.withLock { state in
      defer { state.isRunning = true }
      return state.isRunning
    }
    guard !isNested else { return }
    defer { state.withLock { $0.isRunning = false } }
    var left = Self.mostJobs
    var end: UInt64?
    while let job = state.withLock({ $0.next() }) {
      job.runSynchronously(
        isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
      left -= 1
      let now = MonotonicClock.now()
      let last = end ?? now &+ Self.longest
      end = last
      guard left > 0, now < last else { return waker.wake() }
    }
  }
}
