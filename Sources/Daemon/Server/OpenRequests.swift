// SPDX-License-Identifier: Apache-2.0
//
// OpenRequests: requests of HTTP that are under way, so that the daemon can wait for them before it is upgraded, and answer
// those that take too long. Any thread.

import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Synchronization

final class OpenRequests: Sendable {
  private struct State {
    /// Until their answers are written.
    var count = 0
    var last = 0
    /// Without an answer.
    var waiting: [Int: CheckedContinuation<Response, Never>] = [:]
  }

  private let state = Mutex(State())

  /// Those whose answers are not all written.
  var count: Int { state.withLock { $0.count } }

  func begin() { state.withLock { $0.count += 1 } }
  func end() { state.withLock { $0.count -= 1 } }

  /// What `body` answers, or that the daemon is being upgraded, whichever comes first.
  func answer(_ body: @escaping @Sendable () async -> Response) async -> Response {
    let task = Task { await body() }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let id = state.withLock { state in
          state.last += 1
          state.waiting[state.last] = continuation
          return state.last
        }
        Task { resume(id, with: await task.value) }
      }
    } onCancel: {
      task.cancel()
    }
  }

  private func resume(_ id: Int, with response: Response) {
    state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(returning: response)
  }

  /// Answers all that have no answer yet; what they come to later is dropped.
  func disappoint() {
    let waiting = state.withLock { state in
      defer { state.waiting = [:] }
      return state.waiting
    }
    for continuation in waiting.values { continuation.resume(returning: ControlRoutes.busy) }
  }
}
