// SPDX-License-Identifier: Apache-2.0
//
// LoopActor: the thread of an event loop as an actor. What belongs to that thread is in classes that are not Sendable; their
// async functions run where they are called, and a task that the loop begins stays on it.

import Platform

package actor LoopActor {
  nonisolated let executor: LoopExecutor

  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    executor.asUnownedSerialExecutor()
  }

  private init(_ executor: LoopExecutor) { self.executor = executor }

  /// [loop] The calling thread, which is to run `loop`. Once for each loop.
  static func running(_ loop: EventLoop) -> LoopActor {
    let executor = LoopExecutor(loop.waker)
    loop.afterCallback = { executor.run() }
    return LoopActor(executor)
  }

  /// [loop] Begins a task on the loop: after the callback that is running, before the loop waits again. Tasks begin in the
  /// order of these calls.
  nonisolated func begin(_ body: @escaping () async -> Void) {
    executor.checkIsolated()
    // Both this call and the task are on the loop's thread, which was checked: nothing is shared with another.
    nonisolated(unsafe) let body = body
    _ = Task(executorPreference: executor) { await self.run(body) }
  }

  private func run(_ body: () async -> Void) async { await body() }

  /// [loop] Turns `loop`, which is this actor's, until `body` has ended: for whoever waits for one thing.
  nonisolated func finish<Value>(on loop: EventLoop, _ body: @escaping () async -> Value) -> Value {
    var value: Value?
    begin { value = await body() }
    while true {
      // First: `body` may end without waiting, and then the loop has nothing to wait for.
      executor.run()
      if let value { return value }
      loop.turn()
    }
  }

  /// [any thread] Begins a task of another thread's on the loop.
  nonisolated func submit(_ body: @escaping @Sendable () async -> Void) {
    _ = Task(executorPreference: executor) { await body() }
  }
}
