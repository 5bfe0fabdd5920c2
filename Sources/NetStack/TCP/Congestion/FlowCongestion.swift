// SPDX-License-Identifier: Apache-2.0
//
// The congestion control of a connection: one of the algorithms, chosen when the connection is created. It switches over
// concrete types, so that the compiler specialises the protocol's functions. Window and threshold are stored at the same
// place for all, and are read without a switch.

/// The available algorithms; raw values are their names in configurations.
public enum CongestionAlgorithm: String, Sendable, CaseIterable, BitwiseCopyable {
  case newReno = "reno"
  case cubic
}

/// A connection's congestion control, of either algorithm.
struct FlowCongestion: CongestionControl {
  private(set) var window: UInt32 = Self.unlimited
  private(set) var threshold: UInt32 = 0
  /// State of CUBIC; unused by NewReno.
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
