// SPDX-License-Identifier: Apache-2.0
//
// The congestion control of a connection: one of the algorithms, chosen when the connection is made. Their
// types are known here, so that the compiler sees through the protocol. All have a window and a threshold,
// which lie side by side whichever it is: what each segment asks is answered without asking which.

/// The algorithms that there are, by the names that configurations have for them.
public enum CongestionAlgorithm: String, Sendable, CaseIterable, BitwiseCopyable {
  case newReno = "reno"
  case cubic
}

/// See the head of this file.
struct FlowCongestion: CongestionControl {
  private(set) var window: UInt32 = Self.unlimited
  private(set) var threshold: UInt32 = 0
  /// CUBIC's own; of NewReno unused.
  private var curve = CUBIC.Curve()
  private let algorithm: CongestionAlgorithm

  init() { self.init(.newReno) }

  init(_ algorithm: CongestionAlgorithm) { self.algorithm = algorithm }

  private var reno: NewReno {
    get { NewReno(window: window, threshold: threshold) }
    set {
      window = newValue.window
      threshold = newValue.threshold
    }
  }

  private var cubic: CUBIC {
    get { CUBIC(window: window, threshold: threshold, curve: curve) }
    set {
      window = newValue.window
      threshold = newValue.threshold
      curve = newValue.curve
    }
  }

  mutating func acknowledged(_ bytes: UInt32, isAfterTimeout: Bool, _ path: CongestionPath) {
    switch algorithm {
    case .newReno: reno.acknowledged(bytes, isAfterTimeout: isAfterTimeout, path)
    case .cubic: cubic.acknowledged(bytes, isAfterTimeout: isAfterTimeout, path)
    }
  }

  mutating func congested(flight: UInt32, _ path: CongestionPath) {
    switch algorithm {
    case .newReno: reno.congested(flight: flight, path)
    case .cubic: cubic.congested(flight: flight, path)
    }
  }

  mutating func timedOut(_ path: CongestionPath) {
    switch algorithm {
    case .newReno: reno.timedOut(path)
    case .cubic: cubic.timedOut(path)
    }
  }

  mutating func allow(_ bytes: UInt32) { window = bytes }

  mutating func restore(_ before: UInt32) {
    switch algorithm {
    case .newReno: reno.restore(before)
    case .cubic: cubic.restore(before)
    }
  }

  mutating func restart(_ path: CongestionPath) {
    switch algorithm {
    case .newReno: reno.restart(path)
    case .cubic: cubic.restart(path)
    }
  }
}
