// SPDX-License-Identifier: Apache-2.0
//
// Plugins with an asynchronous start: `start` completes its op in a later iteration of the loop, and the continuation
// runs at the end of that iteration, outside all callbacks. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

/// A `start` under way.
struct PluginStart {
  let bridge: PluginBridge
  let number: UInt64
  let then: (Result<Void, HostError>) -> Void
}

extension NetworkProcess {
  /// Time limit of a `start`, nanoseconds.
  static let startTime = UInt64(LND_START_MS) * 1_000_000

  /// Runs the continuation when the plugin's start has succeeded or failed: at once if that is known. Destroys a
  /// failed one.
  func whenStarted(
    _ bridge: PluginBridge, _ then: @escaping (Result<Void, HostError>) -> Void
  ) {
    if let outcome = bridge.takeStart() { return then(outcome) }
    startNumber += 1
    starts.append(PluginStart(bridge: bridge, number: startNumber, then: then))
    reactor.schedule(
      .startDeadline(startNumber), at: MonotonicClock.now() &+ Self.startTime)
  }

  /// At the end of an iteration.
  func finishStarts() {
    guard starts.contains(where: { $0.bridge.startOutcome != nil }) else { return }
    let known = starts
    starts = []
    var waiting: [PluginStart] = []
    for start in known {
      // A continuation may begin other starts, or stop the process.
      if phase == .idle || phase == .running, let outcome = start.bridge.takeStart() {
        start.then(outcome)
      } else {
        waiting.append(start)
      }
    }
    starts = waiting + starts
  }

  func startDeadlinePassed(_ number: UInt64) {
    guard let index = starts.firstIndex(where: { $0.number == number }) else { return }
    let late = starts.remove(at: index)
    late.then(late.bridge.takeStart() ?? .failure(late.bridge.abandonStart()))
  }
}
