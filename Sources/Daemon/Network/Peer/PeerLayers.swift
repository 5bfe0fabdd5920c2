// SPDX-License-Identifier: Apache-2.0
//
// PeerLayers: what a connection to another daemon needs of the system. Tests put their own in.

import Platform

struct PeerLayers {
  /// A connected, non-blocking stream socket; never waits.
  var connect: (_ path: String) throws(SystemError) -> Int32
  var close: (Int32) -> Void
  /// Nanoseconds, monotonic.
  var now: () -> UInt64
  /// What it returns takes the action back.
  var schedule: (_ after: UInt64, _ action: @escaping () -> Void) -> () -> Void

  static func system(_ loop: EventLoop) -> PeerLayers {
    PeerLayers(
      connect: { path throws(SystemError) in try UnixSocket.connect(path: path) },
      close: { Descriptor.close($0) },
      now: { MonotonicClock.now() },
      schedule: { [weak loop] delay, action in
        guard let timer = loop?.schedule(after: delay, action) else { return {} }
        return { [weak loop] in loop?.cancel(timer) }
      })
  }
}
