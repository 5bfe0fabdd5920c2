// SPDX-License-Identifier: Apache-2.0
//
// LoopBridge: how other threads ask the supervisor for something. Work is queued and the loop woken; answers come back
// through a continuation.

import HostProtocol
import Platform
import Synchronization

package final class LoopBridge: Sendable {
  typealias Work = @Sendable (Supervisor) -> Void

  private let queue = Mutex<[Work]>([])
  private let waker: Waker

  init(waker: Waker) {
    self.waker = waker
  }

  /// [any thread] Runs `work` on the loop soon.
  func submit(_ work: @escaping Work) {
    queue.withLock { $0.append(work) }
    waker.wake()
  }

  /// [any thread] Runs `work` on the loop and waits for the result it gives, exactly once.
  func call<Value: Sendable>(
    _ work: @escaping @Sendable (Supervisor, @escaping (Result<Value, ErrorReport>) -> Void) -> Void
  ) async throws(ErrorReport) -> Value {
    let request = OpenRequests.current
    request?.waitForLoop(true)
    defer { request?.waitForLoop(false) }
    let result = await withCheckedContinuation { continuation in
      submit { supervisor in work(supervisor) { continuation.resume(returning: $0) } }
    }
    return try result.get()
  }

  /// [loop] Does what has been queued.
  func drain(_ supervisor: Supervisor) {
    let work = queue.withLock { queue in
      let all = queue
      queue = []
      return all
    }
    for item in work { item(supervisor) }
  }
}
