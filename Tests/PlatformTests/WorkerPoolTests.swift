// SPDX-License-Identifier: Apache-2.0
import Platform
import Synchronization
import TestSupport
import Testing

@Suite("Worker threads", .serialized, .timeLimit(.minutes(5)))
struct WorkerPoolTests {
  @Test("every job is done once, by no more threads than allowed, and told of")
  func work() {
    let counter = Counter()
    let pool = WorkerPool<Int, Int>(threads: 4, queue: 1000) { job in
      counter.enter()
      // Long enough for others to be at work, too.
      quietly(milliseconds: 1)
      counter.leave()
      return job * 2
    } notify: {
      counter.notify()
    }
    for job in 0..<500 { #expect(pool.submit(UInt64(job), job)) }
    var outcomes: [UInt64: Int] = [:]
    let isDone = eventually {
      for (id, outcome) in pool.take() {
        #expect(outcomes.updateValue(outcome, forKey: id) == nil)
      }
      // A result is told of after it can be taken.
      return outcomes.count == 500 && counter.notices == 500
    }
    #expect(isDone, "\(outcomes.count) results, \(counter.notices) notices")
    #expect(outcomes.allSatisfy { $0.value == Int($0.key) * 2 })
    #expect(counter.most <= 4)
    #expect(pool.stop(within: 1000))
    #expect(!pool.submit(1, 1))
  }

  @Test("no thread exists before the first job")
  func lazy() {
    let pool = WorkerPool<Int, Int>(threads: 4, queue: 10) {
      $0
    } notify: {
    }
    #expect(pool.load.threads == 0)
    #expect(pool.stop(within: 100))
  }

  @Test("stopping waits for a blocked thread no longer than asked, and mutes it")
  func blocked() {
    let counter = Counter()
    let isOpen = Atomic(false)
    let pool = WorkerPool<Int, Int>(threads: 1, queue: 10) { job in
      counter.enter()
      _ = eventually { isOpen.load(ordering: .acquiring) }
      counter.leave()
      return job
    } notify: {
      counter.notify()
    }
    #expect(pool.submit(1, 1))
    #expect(eventually { counter.most == 1 })
    // The thread is blocked until the gate opens, which is after this.
    #expect(!pool.stop(within: 50))
    isOpen.store(true, ordering: .releasing)
    #expect(eventually { counter.now == 0 })
    quietly(milliseconds: 50)
    #expect(counter.notices == 0)
    #expect(pool.load.threads == 0)
  }
}

private final class Counter: Sendable {
  private let state = Mutex<(now: Int, most: Int, notices: Int)>((0, 0, 0))

  func enter() {
    state.withLock {
      $0.now += 1
      $0.most = max($0.most, $0.now)
    }
  }

  func leave() { state.withLock { $0.now -= 1 } }
  func notify() { state.withLock { $0.notices += 1 } }
  var now: Int { state.withLock { $0.now } }
  var most: Int { state.withLock { $0.most } }
  var notices: Int { state.withLock { $0.notices } }
}
