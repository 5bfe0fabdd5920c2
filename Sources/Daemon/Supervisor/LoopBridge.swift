// SPDX-License-Identifier: Apache-2.0
//
// LoopBridge: how other threads ask the supervisor for something: an actor on the loop's thread that has it.

import HostProtocol

package actor LoopBridge {
  private nonisolated let loop: LoopActor
  private weak var supervisor: Supervisor?

  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.unownedExecutor }

  init(_ loop: LoopActor) { self.loop = loop }

  /// [loop] Requests are for `supervisor`, until `close`.
  nonisolated func open(_ supervisor: Supervisor) {
    // It belongs to the loop's thread, which this is.
    nonisolated(unsafe) let supervisor = supervisor
    assumeIsolated { $0.supervisor = supervisor }
  }

  /// [loop] What is asked from now on is answered with the end of the daemon. Idempotent.
  nonisolated func close() { assumeIsolated { $0.supervisor = nil } }

  /// [any thread] Does `work` on the loop. It goes on to its end, whether or not whoever asked is still there.
  /// - Throws: what `work` throws.
  func ask<Value: Sendable>(
    _ work: @Sendable (Supervisor) async throws -> Value
  ) async throws -> Value {
    guard let supervisor else { throw ServiceRequests.stopping }
    let request = OpenRequests.current
    request?.waitForLoop(true)
    defer { request?.waitForLoop(false) }
    return try await withTaskExecutorPreference(loop.executor) { try await work(supervisor) }
  }

  /// [any thread] Has `work` done on the loop soon, while the daemon is there.
  nonisolated func submit(_ work: @escaping @Sendable (Supervisor) -> Void) {
    loop.submit { try? await self.ask { work($0) } }
  }
}
