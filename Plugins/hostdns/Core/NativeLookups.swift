// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// Look-ups by the host's resolver (getaddrinfo), on worker threads.
///
/// Operations for the same name and family share one look-up. The look-ups of one zone use at most half of the
/// threads, and of the queue, and zones alternate: a zone whose servers do not answer delays only itself. Loop
/// thread, except what `WorkerPool` runs.
final class NativeLookups {
  /// Runs on a worker; may block.
  typealias Resolver =
    @Sendable (_ name: String, _ family: HostLookup.Family, _ setup: HostLookup.Setup)
    -> HostLookup.Outcome

  private struct Job: Sendable {
    var name: String
    var family: HostLookup.Family
    var setup: HostLookup.Setup
  }

  private struct Key: Hashable {
    var name: DNSName
    var family: HostLookup.Family
  }

  private struct Lookup {
    let key: Key
    let job: Job
    let share: DNSName
    var waiters: [Waiter]
    /// A thread has begun it.
    var isBegun = false
  }

  private let deliver: (Waiter, HostLookup.Outcome) -> Void
  private let pool: WorkerPool<Job, HostLookup.Outcome>
  private let threads: Int
  private let maximumWaiting: Int
  private var lookups: [UInt64: Lookup] = [:]
  private var ids: [Key: UInt64] = [:]
  private var ops: [lnd_op: UInt64] = [:]
  private var lastID: UInt64 = 0
  /// Look-ups without a thread, by share, and the shares in the order in which they are served.
  private var waiting: [DNSName: [UInt64]] = [:]
  private var turns: [DNSName] = []
  private var waitingCount = 0
  /// Look-ups of the threads, cancelled ones included, and their number per share.
  private var running: [UInt64: DNSName] = [:]
  private var runningOf: [DNSName: Int] = [:]

  /// - Parameters:
  ///   - threads: maximum number.
  ///   - queue: maximum look-ups that wait for a thread.
  init(
    host: HostContext, threads: Int, queue: Int, resolver: @escaping Resolver,
    deliver: @escaping (Waiter, HostLookup.Outcome) -> Void
  ) {
    self.deliver = deliver
    self.threads = threads
    maximumWaiting = queue
    let waker = host.waker
    pool = WorkerPool(
      threads: threads, queue: threads, work: { resolver($0.name, $0.family, $0.setup) },
      notify: { waker.wake() })
  }

  /// Number of look-ups under way, and of threads.
  var load: (lookups: Int, threads: Int) { (lookups.count, pool.load.threads) }

  /// Begins a look-up or joins one; false when too many are under way.
  func resolve(
    _ waiter: Waiter, name: String, _ family: HostLookup.Family, _ setup: HostLookup.Setup
  ) -> Bool {
    let key = Key(name: waiter.question.question.name, family: family)
    if let id = ids[key] {
      lookups[id]?.waiters.append(waiter)
      ops[waiter.op] = id
      return true
    }
    let share = key.name.share
    guard waitingCount < maximumWaiting, waiting[share]?.count ?? 0 < (maximumWaiting + 1) / 2
    else { return false }
    lastID += 1
    lookups[lastID] = Lookup(
      key: key, job: Job(name: name, family: family, setup: setup), share: share,
      waiters: [waiter])
    ids[key] = lastID
    ops[waiter.op] = lastID
    if waiting[share] == nil { turns.append(share) }
    waiting[share, default: []].append(lastID)
    waitingCount += 1
    begin()
    return true
  }

  /// Whether a thread has begun the operation's look-up.
  func isBegun(_ op: lnd_op) -> Bool {
    ops[op].flatMap { lookups[$0]?.isBegun } ?? false
  }

  /// Passes look-ups to idle threads.
  private func begin() {
    let maximum = max(threads / 2, 1)
    while running.count < threads,
      let turn = turns.firstIndex(where: { runningOf[$0, default: 0] < maximum })
    {
      let share = turns.remove(at: turn)
      guard let id = waiting[share]?.removeFirst(), let lookup = lookups[id] else { continue }
      waitingCount -= 1
      if waiting[share]?.isEmpty == true { waiting[share] = nil } else { turns.append(share) }
      guard pool.submit(id, lookup.job) else {
        // The kernel refuses a thread: the look-up fails.
        end(id, .failed)
        continue
      }
      lookups[id]?.isBegun = true
      running[id] = share
      runningOf[share, default: 0] += 1
    }
  }

  /// Cancels an operation; false when it is not one of these. A look-up without operations is withdrawn if no thread
  /// has begun it.
  func cancel(_ op: lnd_op) -> Bool {
    guard let id = ops.removeValue(forKey: op) else { return false }
    lookups[id]?.waiters.removeAll { $0.op == op }
    guard let lookup = lookups[id], lookup.waiters.isEmpty else { return true }
    lookups[id] = nil
    if ids[lookup.key] == id { ids[lookup.key] = nil }
    guard !lookup.isBegun else { return true }
    waiting[lookup.share]?.removeAll { $0 == id }
    waitingCount -= 1
    if waiting[lookup.share]?.isEmpty == true {
      waiting[lookup.share] = nil
      turns.removeAll { $0 == lookup.share }
    }
    return true
  }

  /// Delivers the workers' results.
  func finish() {
    for (id, outcome) in pool.take() {
      if let share = running.removeValue(forKey: id) {
        let left = runningOf[share, default: 1] - 1
        runningOf[share] = left == 0 ? nil : left
      }
      end(id, outcome)
    }
    begin()
  }

  private func end(_ id: UInt64, _ outcome: HostLookup.Outcome) {
    guard let lookup = lookups.removeValue(forKey: id) else { return }
    if ids[lookup.key] == id { ids[lookup.key] = nil }
    for waiter in lookup.waiters {
      ops[waiter.op] = nil
      deliver(waiter, outcome)
    }
  }

  /// Later operations do not join look-ups under way, which use the old configuration.
  func startOver() {
    ids.removeAll()
  }

  /// Cancels everything and waits a moment for the threads.
  func stop(within milliseconds: Int) {
    lookups.removeAll()
    ids.removeAll()
    ops.removeAll()
    waiting.removeAll()
    turns.removeAll()
    waitingCount = 0
    pool.stop(within: milliseconds)
  }
}
