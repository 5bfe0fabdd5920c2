// SPDX-License-Identifier: Apache-2.0
//
// Plugins that take their time to start: `start` completes its op in a later turn of the loop, and who waits for it goes on
// at the end of that turn, outside of all callbacks. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

/// A `start` that is under way.
struct PluginStart {
  let bridge: PluginBridge
  let number: UInt64
  let then: (Result<Void, HostError>) -> Void
}

extension NetworkProcess {
  /// How long a `start` may take, nanoseconds.
  static let startTime = UInt64(LND_START_MS) * 1_000_000

  /// Goes on when a plugin, whose start has begun, has started or failed: now if it is known now. A failed one is destroyed.
  func whenStarted(
    _ bridge: PluginBridge, _ then: @escaping (Result<Void, HostError>) -> Void
  ) {
    if let outcome = bridge.takeStart() { return then(outcome) }
    startNumber += 1
    starts.append(PluginStart(bridge: bridge, number: startNumber, then: then))
    reactor.schedule(
      .startDeadline(startNumber), at: MonotonicClock.now() &+ Self.startTime)
  }

  /// At the end of a turn.
  func finishStarts() {
    guard starts.contains(where: { $0.bridge.startOutcome != nil }) else { return }
    let known = starts
    starts = []
    var waiting: [PluginStart] = []
    for start in known {
      // What goes on with one may begin others, or end it all.
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
