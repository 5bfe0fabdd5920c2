// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// Questions to the host's resolver (getaddrinfo), on worker threads.
///
/// Questions for the same name and family share one lookup. Those of one zone never have more than
/// half of the threads, nor of the places in line, and zones take turns: a zone whose servers are
/// silent holds up itself. Loop thread, but for what `WorkerPool` runs.
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
    /// A thread has it.
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
  /// Lookups without a thread, by their shares, and the shares in the order of their turns.
  private var waiting: [DNSName: [UInt64]] = [:]
  private var turns: [DNSName] = []
  private var waitingCount = 0
  /// What threads do, wanted or not, and how many each share has.
  private var running: [UInt64: DNSName] = [:]
  private var runningOf: [DNSName: Int] = [:]

  /// - Parameters:
  ///   - threads: at most.
  ///   - queue: lookups that may wait for one.
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

  /// Lookups under way, and threads there are.
  var load: (lookups: Int, threads: Int) { (lookups.count, pool.load.threads) }

  /// Begins a lookup or joins one; false when too many are under way.
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

  /// Whether a thread has the operation's lookup.
  func isBegun(_ op: lnd_op) -> Bool {
    ops[op].flatMap { lookups[$0]?.isBegun } ?? false
  }

  /// Gives work to the threads that have none.
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
        // No thread is to be had: it ends as one that failed.
        end(id, .failed)
        continue
      }
      lookups[id]?.isBegun = true
      running[id] = share
      runningOf[share, default: 0] += 1
    }
  }

  /// Forgets an operation; false when it is not one of these. The lookup of the
  /// last one is taken back if no thread has begun it.
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

  /// Delivers what the workers have done.
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

  /// New lookups start over: answers under way are of the old configuration.
  func startOver() {
    ids.removeAll()
  }

  /// Drops all and waits a moment for the threads.
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
