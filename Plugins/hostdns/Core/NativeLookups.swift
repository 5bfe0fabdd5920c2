// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// What the C library is asked, and what it says.
enum NativeJob: Sendable {
  /// getaddrinfo, for one family.
  case addresses(String, ipv6: Bool)
  /// res_nsend, with a message that has an id of its own.
  case query([UInt8])

  enum Outcome: Sendable {
    case addresses(HostLookup.Outcome)
    /// nil: no server gave an answer.
    case message([UInt8]?)
  }
}

/// Questions to the host's resolver, on worker threads.
///
/// Questions for the same name and family share one lookup. Loop thread, but
/// for what `WorkerPool` runs.
final class NativeLookups {
  /// Runs on a worker; may block.
  typealias Resolver = @Sendable (_ job: NativeJob, _ generation: UInt32) -> NativeJob.Outcome

  private struct Job: Sendable {
    var job: NativeJob
    var generation: UInt32
  }

  private struct Key: Hashable {
    var name: DNSName
    var ipv6: Bool
  }

  private struct Lookup {
    var key: Key?
    var waiters: [Waiter]
  }

  private let deliver: (Waiter, NativeJob.Outcome) -> Void
  private let pool: WorkerPool<Job, NativeJob.Outcome>
  /// Threads that raw queries leave to addresses, which nobody else can look up.
  private let reserve: Int
  private var lookups: [UInt64: Lookup] = [:]
  private var ids: [Key: UInt64] = [:]
  private var ops: [lnd_op: UInt64] = [:]
  private var lastID: UInt64 = 0

  init(
    host: HostContext, settings: HostDNSSettings, queue: Int, resolver: @escaping Resolver,
    deliver: @escaping (Waiter, NativeJob.Outcome) -> Void
  ) {
    self.deliver = deliver
    reserve = settings.workers / 2
    let waker = host.waker
    pool = WorkerPool(
      threads: settings.workers, queue: queue, work: { resolver($0.job, $0.generation) },
      notify: { waker.wake() })
  }

  /// Lookups under way, and threads there are.
  var load: (lookups: Int, threads: Int) { (lookups.count, pool.load.threads) }

  /// Begins a lookup of addresses or joins one; false when too many are under way.
  func resolve(_ waiter: Waiter, name: String, ipv6: Bool, generation: UInt32) -> Bool {
    let key = Key(name: waiter.question.question.name, ipv6: ipv6)
    if let id = ids[key] {
      lookups[id]?.waiters.append(waiter)
      ops[waiter.op] = id
      return true
    }
    guard let id = begin(.addresses(name, ipv6: ipv6), waiter, key, generation) else {
      return false
    }
    ids[key] = id
    return true
  }

  /// Sends a query; false when no thread is to spare: a slow server must not delay the rest.
  func query(_ waiter: Waiter, _ message: [UInt8], generation: UInt32) -> Bool {
    guard pool.spare > reserve else { return false }
    return begin(.query(message), waiter, nil, generation) != nil
  }

  private func begin(
    _ job: NativeJob, _ waiter: Waiter, _ key: Key?, _ generation: UInt32
  ) -> UInt64? {
    let id = lastID + 1
    guard pool.submit(id, Job(job: job, generation: generation)) else { return nil }
    lastID = id
    lookups[id] = Lookup(key: key, waiters: [waiter])
    ops[waiter.op] = id
    return id
  }

  /// Forgets an operation; false when it is not one of these. The lookup of the
  /// last one is taken back if no thread has begun it.
  func cancel(_ op: lnd_op) -> Bool {
    guard let id = ops.removeValue(forKey: op) else { return false }
    lookups[id]?.waiters.removeAll { $0.op == op }
    if let lookup = lookups[id], lookup.waiters.isEmpty {
      pool.withdraw(id)
      lookups[id] = nil
      if let key = lookup.key, ids[key] == id { ids[key] = nil }
    }
    return true
  }

  /// Delivers what the workers have done.
  func finish() {
    for (id, outcome) in pool.take() {
      guard let lookup = lookups.removeValue(forKey: id) else { continue }
      if let key = lookup.key, ids[key] == id { ids[key] = nil }
      for waiter in lookup.waiters {
        ops[waiter.op] = nil
        deliver(waiter, outcome)
      }
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
    pool.stop(within: milliseconds)
  }
}
