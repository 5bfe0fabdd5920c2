// SPDX-License-Identifier: Apache-2.0
//
// SignalReceiver: signals as events of a loop instead of asynchronous handlers. One per process.

import LibC
import CPlatform

package enum Signal: Int32, Sendable, CaseIterable {
  case hangup = 1
  case interrupt = 2
  case terminate = 15
  /// SIGUSR2
  #if os(Linux)
    case upgrade = 12
  #else
    case upgrade = 31
  #endif

  /// "SIGTERM"
  package var name: String {
    switch self {
    case .hangup: return "SIGHUP"
    case .interrupt: return "SIGINT"
    case .terminate: return "SIGTERM"
    case .upgrade: return "SIGUSR2"
    }
  }
}

package final class SignalReceiver {
  /// Readable when a signal has arrived.
  package let fd: Int32

  /// Takes over `signals` for the whole process until it ends.
  /// - Throws: EBUSY when they have been taken over before.
  package init(_ signals: [Signal]) throws(SystemError) {
    let numbers = signals.map(\.rawValue)
    fd = try check("sigaction", plat_watch_signals(numbers, UInt32(numbers.count)))
  }

  /// The signals that came since the last call, in order.
  package func receive() -> [Signal] {
    var buffer = [UInt8](repeating: 0, count: 64)
    var signals: [Signal] = []
    while true {
      let count = Files.readSome(fd, &buffer)
      guard count > 0 else { return signals }
      signals += buffer[..<count].compactMap { Signal(rawValue: Int32($0)) }
    }
  }
}
