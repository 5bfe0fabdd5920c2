// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

/// A and AAAA through the host's resolver, on worker threads.
///
/// Questions for the same name and family share one lookup. Loop thread, but
/// for what `WorkerPool` runs.
final class NativeLookups {
  /// Runs on a worker; may block.
  typealias Resolver = @Sendable (_ job: Job) -> HostLookup.Outcome

  struct Job: Sendable {
    var name: String
    var ipv6: Bool
    var generation: UInt32
  }

  private struct Key: Hashable {
    var name: DNSName
    var ipv6: Bool
  }

  private struct Lookup {
    var key: Key
    var waiters: [Waiter]
  }

  private let host: HostContext
  private let timeToLive: UInt32
  private let pool: WorkerPool<Job, HostLookup.Outcome>
  private var lookups: [UInt64: Lookup] = [:]
  private var ids: [Key: UInt64] = [:]
  private var ops: [lnd_op: UInt64] = [:]
  private var lastID: UInt64 = 0

  init(host: HostContext, settings: HostDNSSettings, queue: Int, resolver: @escaping Resolver) {
    self.host = host
    timeToLive = settings.timeToLive
    let waker = host.waker
    pool = WorkerPool(
      threads: settings.workers, queue: queue, work: resolver, notify: { waker.wake() })
  }

  /// Lookups under way, and threads there are.
  var load: (lookups: Int, threads: Int) { (lookups.count, pool.load.threads) }

  /// Begins a lookup or joins one; false when too many are under way.
  func resolve(_ waiter: Waiter, name: String, ipv6: Bool, generation: UInt32) -> Bool {
    let key = Key(name: waiter.question.question.name, ipv6: ipv6)
    if let id = ids[key] {
      lookups[id]?.waiters.append(waiter)
      ops[waiter.op] = id
      return true
    }
    let id = lastID + 1
    guard pool.submit(id, Job(name: name, ipv6: ipv6, generation: generation)) else { return false }
    lastID = id
    lookups[id] = Lookup(key: key, waiters: [waiter])
    ids[key] = id
    ops[waiter.op] = id
    return true
  }

  /// Forgets an operation; false when it is not one of these. The lookup of the
  /// last one is taken back if no thread has begun it.
  func cancel(_ op: lnd_op) -> Bool {
    guard let id = ops.removeValue(forKey: op) else { return false }
    lookups[id]?.waiters.removeAll { $0.op == op }
    if let lookup = lookups[id], lookup.waiters.isEmpty {
      pool.withdraw(id)
      lookups[id] = nil
      ids[lookup.key] = nil
    }
    return true
  }

  /// Completes what the workers have done.
  func finish() {
    for (id, outcome) in pool.take() {
      guard let lookup = lookups.removeValue(forKey: id) else { continue }
      if ids[lookup.key] == id { ids[lookup.key] = nil }
      for waiter in lookup.waiters {
        ops[waiter.op] = nil
        host.answer(waiter.op, answer(waiter.question, outcome))
      }
    }
  }

  /// New lookups start over: answers under way are of the old configuration.
  func startOver() {
    ids.removeAll()
  }

  /// RFC 1035 4.1.1, RFC 2308 2: a missing name and missing data are two things,
  /// and a resolver that could not find out must not claim either.
  private func answer(_ question: HostDNSQuestion, _ outcome: HostLookup.Outcome) -> [UInt8] {
    switch outcome {
    case .found(let addresses):
      let records = addresses.compactMap { octets in
        DNSAddress(octets: octets).map {
          DNSRecord(name: question.question.name, ttl: timeToLive, data: .address($0))
        }
      }
      return question.answer(.noError, records)
    case .noData: return question.answer(.noError)
    case .noName: return question.answer(.nameError)
    case .tryAgain, .failed: return question.answer(.serverFailure)
    }
  }

  /// Drops all and waits a moment for the threads.
  func stop(within milliseconds: Int) {
    lookups.removeAll()
    ids.removeAll()
    ops.removeAll()
    pool.stop(within: milliseconds)
  }
}
