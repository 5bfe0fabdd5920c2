// SPDX-License-Identifier: Apache-2.0
//
// ConfigReader: reads networks.yaml again on a thread of its own. A file at its limits (1 MiB, 20,000 values) takes
// tens of milliseconds, in which the loop would accept no guest.

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
  /// Outcomes that are still to come.
  private(set) var outstanding = 0

  /// - Parameter notify: [any thread] an outcome is there: `take` it on the loop.
  init(notify: @escaping @Sendable () -> Void) {
    pool = WorkerPool(threads: 1, queue: 1, work: Self.read, notify: notify)
  }

  /// [loop] Begins. One that waits for the thread will see the file as it is by then: it serves for both.
  /// - Returns: nil, or the outcome when there is no thread to be had.
  func begin(_ file: String, mayBeMissing: Bool, before: Configuration) -> Outcome? {
    let job = Job(file: file, mayBeMissing: mayBeMissing, before: before)
    count += 1
    if pool.submit(count, job) {
      outstanding += 1
      return nil
    }
    return pool.load.queued == 0 ? Self.read(job) : nil
  }

  /// [loop] What has come since the last call, in order.
  func take() -> [Outcome] {
    let outcomes = pool.take().map(\.outcome)
    outstanding -= outcomes.count
    return outcomes
  }

  /// What is being read is of no use any more.
  func close() { pool.stop(within: 0) }

  private static func read(_ job: Job) -> Outcome {
    Result {
      try Configuration.loadTrusted(job.file, mayBeMissing: job.mayBeMissing).sharing(
        with: job.before)
    }
  }
}

extension Configuration {
  /// Itself, with what is as before in the same memory: then comparing it costs nothing.
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
