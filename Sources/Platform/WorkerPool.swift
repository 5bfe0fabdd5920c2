// SPDX-License-Identifier: Apache-2.0
//
// Threads for calls that block, so that a loop does not. Jobs are submitted on the loop thread and their outcomes
// collected there: a worker appends its outcome to a list and calls `notify`, the loop takes the list.
//
// A blocked call cannot be interrupted. `stop` therefore waits for a bounded time and then abandons the thread, which
// keeps the pool alive but not its owner; `notify` is not called after `stop` has begun.

import LibC

/// A bounded pool of threads. It starts one when a job finds none idle, and ends those that were idle for a while.
///
/// Threads: `submit`, `withdraw`, `take` and `stop` on the owner's; `work` and `notify` on the workers'.
// Everything mutable is touched with `mutex` held only.
package final class WorkerPool<Job: Sendable, Outcome: Sendable>: WorkerThread, @unchecked Sendable
{
  private let maximumThreads: Int
  private let maximumQueue: Int
  private let work: @Sendable (Job) -> Outcome
  private let notify: @Sendable () -> Void

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wakeup = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let ended = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var queue: [(id: UInt64, job: Job)] = []
  private var done: [(id: UInt64, outcome: Outcome)] = []
  private var threads = 0
  private var idle = 0
  private var isStopping = false

  /// - Parameters:
  ///   - threads: maximum number of threads.
  ///   - queue: maximum number of jobs that wait for a thread.
  ///   - work: runs on a worker; may block.
  ///   - notify: called by a worker after it has added an outcome. Must be quick, and must not call into the pool.
  package init(
    threads: Int, queue: Int, work: @escaping @Sendable (Job) -> Outcome,
    notify: @escaping @Sendable () -> Void
  ) {
    maximumThreads = max(threads, 1)
    maximumQueue = queue
    self.work = work
    self.notify = notify
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wakeup, nil)
    pthread_cond_init(ended, nil)
    super.init()
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(wakeup)
    pthread_cond_destroy(ended)
    mutex.deallocate()
    wakeup.deallocate()
    ended.deallocate()
  }

  /// Submits a job; false when the queue is full or the pool has stopped.
  package func submit(_ id: UInt64, _ job: Job) -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    guard !isStopping, queue.count < maximumQueue else { return false }
    queue.append((id, job))
    pthread_cond_signal(wakeup)
    if idle < queue.count, threads < maximumThreads {
      if startThread() {
        threads += 1
      } else if threads == 0 {
        // The kernel refuses a thread, and no existing one could take the job.
        queue.removeLast()
        return false
      }
    }
    return true
  }

  /// Withdraws a job that no thread has begun; otherwise has no effect.
  package func withdraw(_ id: UInt64) {
    pthread_mutex_lock(mutex)
    queue.removeAll { $0.id == id }
    pthread_mutex_unlock(mutex)
  }

  /// The outcomes since the last call.
  package func take() -> [(id: UInt64, outcome: Outcome)] {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    let taken = done
    done.removeAll()
    return taken
  }

  /// Number of jobs that wait for a thread, and number of threads.
  package var load: (queued: Int, threads: Int) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return (queue.count, threads)
  }

  /// Number of threads without a job, including those not yet started; 0 while jobs wait.
  package var spare: Int {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return max(0, maximumThreads - threads + idle - queue.count)
  }

  /// Drops the queued jobs and waits for the threads to end, at most `milliseconds`. False when one is still blocked:
  /// it ends by itself, and its outcome is dropped.
  @discardableResult
  package func stop(within milliseconds: Int) -> Bool {
    var end = timespec()
    clock_gettime(CLOCK_REALTIME, &end)
    end.tv_sec += milliseconds / 1000
    end.tv_nsec += (milliseconds % 1000) * 1_000_000
    if end.tv_nsec >= 1_000_000_000 {
      end.tv_sec += 1
      end.tv_nsec -= 1_000_000_000
    }
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    isStopping = true
    queue.removeAll()
    pthread_cond_broadcast(wakeup)
    while threads > 0, pthread_cond_timedwait(ended, mutex, &end) == 0 {}
    return threads == 0
  }

  override func run() {
    pthread_mutex_lock(mutex)
    while let (id, job) = nextJob() {
      pthread_mutex_unlock(mutex)
      let outcome = work(job)
      pthread_mutex_lock(mutex)
      if isStopping { continue }
      done.append((id, outcome))
      // Under the lock, so that it cannot follow the beginning of `stop`.
      notify()
    }
    threads -= 1
    pthread_cond_signal(ended)
    pthread_mutex_unlock(mutex)
  }

  /// Waits for a job; nil: the thread ends. `mutex` is held.
  private func nextJob() -> (id: UInt64, job: Job)? {
    while !isStopping {
      if !queue.isEmpty { return queue.removeFirst() }
      var end = timespec()
      clock_gettime(CLOCK_REALTIME, &end)
      end.tv_sec += Self.idleSeconds
      idle += 1
      let code = pthread_cond_timedwait(wakeup, mutex, &end)
      idle -= 1
      if code == ETIMEDOUT && queue.isEmpty { return nil }
    }
    return nil
  }

  private static var idleSeconds: Int { 10 }
}

/// The non-generic part of the pool, because a C function pointer cannot be generic.
package class WorkerThread {
  init() {}

  /// The thread's body.
  func run() {}

  /// Starts a detached thread that runs `run` with all signals blocked and
  /// keeps this object alive; false when the kernel refuses.
  func startThread() -> Bool {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 512 << 10)
    #if canImport(Glibc)
      var thread = pthread_t()
    #else
      var thread: pthread_t?
    #endif
    // A new thread inherits the mask: signals stay with the threads that
    // expect them.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let context = Unmanaged.passRetained(self)
    if pthread_create(&thread, &attributes, workerThreadMain, context.toOpaque()) != 0 {
      context.release()
      return false
    }
    return true
  }
}

#if canImport(Glibc)
  private func workerThreadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<WorkerThread>.fromOpaque(context).takeRetainedValue().run()
    return nil
  }
#else
  private func workerThreadMain(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    Unmanaged<WorkerThread>.fromOpaque(context).takeRetainedValue().run()
    return nil
  }
#endif
