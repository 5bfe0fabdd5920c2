// SPDX-License-Identifier: Apache-2.0
//
// InstanceReader: reads lima.yaml and what is beside it on a thread: at their limits these files take longer than the loop
// may stand still. Loop thread.

import Platform

final class InstanceReader {
  private struct Job: Sendable {
    var request: InstanceRequest
    var home: LimaHome
  }

  private let pool: WorkerPool<Job, Result<LimaYAMLFile, ErrorReport>>
  private var answers: [UInt64: Promise<LimaYAMLFile, ErrorReport>] = [:]
  private var count: UInt64 = 0

  /// - Parameter notify: [any thread] something was read: `collect` it on the loop.
  init(notify: @escaping @Sendable () -> Void) {
    pool = WorkerPool(
      threads: 1, queue: 256, work: { Instances.read($0.request, home: $0.home) }, notify: notify)
  }

  func read(_ request: InstanceRequest, home: LimaHome) async throws(ErrorReport) -> LimaYAMLFile {
    count += 1
    guard pool.submit(count, Job(request: request, home: home)) else {
      throw ErrorReport(.busy, "there is no thread to read \(request.path)")
    }
    let answer = Promise<LimaYAMLFile, ErrorReport>()
    answers[count] = answer
    return try await answer.value()
  }

  func collect() {
    for (id, outcome) in pool.take() { answers.removeValue(forKey: id)?.keep(outcome) }
  }
}
