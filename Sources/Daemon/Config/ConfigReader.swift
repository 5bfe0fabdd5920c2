// SPDX-License-Identifier: Apache-2.0
//
// ConfigReader: reads networks.yaml again in a thread. A file at the limits (1 MiB, 20,000 values) takes tens of
// milliseconds, during which the loop could not accept guests.

import Platform

final class ConfigReader {
  private struct Job: Sendable {
    var file: String
    var mayBeMissing: Bool
    var before: Configuration
  }

  typealias Outcome = Result<Configuration, any Error>

  private let pool: WorkerPool<Job, Outcome>
  private var count: UInt64 = 0
  /// Number of outcomes that are pending.
  private(set) var outstanding = 0

  /// - Parameter notify: [any thread] called when an outcome is available for `take`.
  init(notify: @escaping @Sendable () -> Void) {
    pool = WorkerPool(threads: 1, queue: 1, work: Self.read, notify: notify)
  }

  /// [loop] Begins to read. A request that waits for the thread reads the then current file, and serves for later requests,
  /// too.
  /// - Returns: nil, or the outcome if there is no thread.
  func begin(_ file: String, mayBeMissing: Bool, before: Configuration) -> Outcome? {
    let job = Job(file: file, mayBeMissing: mayBeMissing, before: before)
    count += 1
    if pool.submit(count, job) {
      outstanding += 1
      return nil
    }
    return pool.load.queued == 0 ? Self.read(job) : nil
  }

  /// [loop] The outcomes since the last call, in order.
  func take() -> [Outcome] {
    let outcomes = pool.take().map(\.outcome)
    outstanding -= outcomes.count
    return outcomes
  }

  /// Outcomes are no longer needed.
  func close() { pool.stop(within: 0) }

  private static func read(_ job: Job) -> Outcome {
    Result {
      try Configuration.loadTrusted(job.file, mayBeMissing: job.mayBeMissing).sharing(
        with: job.before)
    }
  }
}

extension Configuration {
  /// The same configuration, with unchanged parts sharing the memory of `before`, so that comparing them is cheap.
  func sharing(with before: Configuration) -> Configuration {
    var result = self
    let known = Dictionary(before.networks.map { ($0.name, $0) }) { first, _ in first }
    for index in networks.indices {
      guard let old = known[networks[index].name] else { continue }
      if old.hosts == networks[index].hosts { result.networks[index].hosts = old.hosts }
      if old.settings == networks[index].settings { result.networks[index].settings = old.settings }
    }
    return result
  }
}
