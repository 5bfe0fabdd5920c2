// SPDX-License-Identifier: Apache-2.0
//
// OpenRequests: requests of HTTP that are under way, so that the daemon can wait for them before it is upgraded, and answer
// those that take too long. Any thread.

import Hummingbird
import Synchronization

final class OpenRequests: Sendable {
  /// One of them.
  final class Entry: Sendable {
    struct State {
      var task: Task<Void, Never>?
      /// Nil: it is answered.
      var answer: CheckedContinuation<Response, Never>?
      /// It waits for the loop, and reads no body: two must not read it at once.
      var waitsForLoop = false
    }

    let state = Mutex(State())

    func waitForLoop(_ waits: Bool) { state.withLock { $0.waitsForLoop = waits } }

    /// Once; later answers are dropped.
    fileprivate func answer(_ response: Response) {
      state.withLock { state in
        defer { state.answer = nil }
        return state.answer
      }?.resume(returning: response)
    }
  }

  /// The one that this task answers.
  @TaskLocal static var current: Entry?

  private struct State {
    /// Until their answers are written.
    var count = 0
    var last = 0
    var entries: [Int: Entry] = [:]
    /// None is answered otherwise any more.
    var isDisappointed = false
  }

  private let state = Mutex(State())

  /// Those whose answers are not all written.
  var count: Int { state.withLock { $0.count } }

  func begin() { state.withLock { $0.count += 1 } }
  func end() { state.withLock { $0.count -= 1 } }

  /// What `body` answers, or that the daemon is being upgraded, whichever comes first.
  func answer(_ body: @escaping @Sendable () async -> Response) async -> Response {
    let entry = Entry()
    let id = state.withLock { state in
      state.last += 1
      state.entries[state.last] = entry
      return state.last
    }
    defer { state.withLock { $0.entries[id] = nil } }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        entry.state.withLock { $0.answer = continuation }
        let task = Task {
          let response = await Self.$current.withValue(entry) { await body() }
          entry.answer(state.withLock { $0.isDisappointed } ? ControlRoutes.busy : response)
        }
        entry.state.withLock { $0.task = task }
      }
    } onCancel: {
      entry.state.withLock { $0.task }?.cancel()
    }
  }

  /// Has all that have no answer yet answered so; what they come to later is dropped. Those that read a body end first.
  func disappoint() {
    let entries = state.withLock { state in
      state.isDisappointed = true
      return state.entries.values.map { $0 }
    }
    for entry in entries {
      entry.state.withLock { $0.task }?.cancel()
      if entry.state.withLock({ $0.waitsForLoop }) { entry.answer(ControlRoutes.busy) }
    }
  }

  /// There is no upgrade: requests are answered as ever.
  func resume() { state.withLock { $0.isDisappointed = false } }
}
