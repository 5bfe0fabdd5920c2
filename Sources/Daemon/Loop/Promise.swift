// SPDX-License-Identifier: Apache-2.0
//
// Promise: a value, or an error, that comes later. What comes first holds; anything after that is dropped. Loop thread.

final class Promise<Value, Failure: Error> {
  private var result: Result<Value, Failure>?
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init() {}

  var isKept: Bool { result != nil }

  /// Whoever waits goes on in a job of its own, after the callback that is running.
  func keep(_ result: Result<Value, Failure>) {
    guard self.result == nil else { return }
    self.result = result
    for one in waiting { one.resume() }
    waiting = []
  }

  func fail(_ error: Failure) { keep(.failure(error)) }

  /// Any number may wait. Whoever waits holds the promise: it has to be kept.
  func value() async throws(Failure) -> Value {
    while true {
      if let result { return try result.get() }
      // `#isolation` as the default of the parameter is nil in a function that runs where it is called, which would be a
      // way round by another executor.
      let loop: (any Actor)? = #isolation
      // The closure runs at once, on this thread.
      nonisolated(unsafe) let promise = self
      // Each is resumed once: here, or when it leaves the list.
      await withCheckedContinuation(isolation: loop) { continuation in
        if promise.result == nil {
          promise.waiting.append(continuation)
        } else {
          continuation.resume()
        }
      }
    }
  }
}

extension Promise where Value == Void {
  func keep() { keep(.success(())) }
}
