// SPDX-License-Identifier: Apache-2.0
import Platform
import Synchronization
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Worker threads", .serialized)
struct WorkerPoolTests {
  @Test("every job is done once, by no more threads than allowed, and told of")
  func work() {
    let counter = Counter()
    let pool = WorkerPool<Int, Int>(threads: 4, queue: 1000) { job in
      counter.enter()
      usleep(200)
      counter.leave()
      return job * 2
    } notify: {
      counter.notify()
    }
    for job in 0..<500 { #expect(pool.submit(UInt64(job), job)) }
    var outcomes: [UInt64: Int] = [:]
    for _ in 0..<5000 where outcomes.count < 500 {
      for (id, outcome) in pool.take() {
        #expect(outcomes.updateValue(outcome, forKey: id) == nil)
      }
      usleep(1000)
    }
    #expect(outcomes.count == 500)
    #expect(outcomes.allSatisfy { $0.value == Int($0.key) * 2 })
    #expect(counter.most <= 4)
    #expect(counter.notices == 500)
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
    let pool = WorkerPool<Int, Int>(threads: 1, queue: 10) { job in
      counter.enter()
      usleep(300_000)
      return job
    } notify: {
      counter.notify()
    }
    #expect(pool.submit(1, 1))
    while counter.most == 0 { usleep(1000) }
    let start = MonotonicClock.now()
    #expect(!pool.stop(within: 50))
    #expect(MonotonicClock.now() - start < 250_000_000)
    usleep(400_000)
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
  var most: Int { state.withLock { $0.most } }
  var notices: Int { state.withLock { $0.notices } }
}
