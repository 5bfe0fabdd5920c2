// SPDX-License-Identifier: Apache-2.0
//
// TCP's standard congestion control (RFC 5681 §3.1) with appropriate byte counting (RFC 3465). Which segments are
// retransmitted is decided by TCPSender (RFC 6582, RFC 6675).

/// NewReno. Windows in bytes.
struct NewReno: CongestionControl {
  private(set) var window: UInt32
  private(set) var threshold: UInt32

  init() { self.init(window: Self.unlimited, threshold: 0) }

  init(window: UInt32, threshold: UInt32) {
    self.window = window
    self.threshold = threshold
  }

  /// Slow start below the threshold; above it congestion avoidance, about one segment per round trip (RFC 5681 §3.1,
  /// equation 3).
  mutating func acknowledged(_ bytes: UInt32, isAfterTimeout: Bool, _ path: CongestionPath) {
    guard bytes > 0, isLimiting else { return }
    let growth: UInt32
    if window < threshold {
      growth = SlowStart.growth(
        window: window, threshold: threshold, bytes: bytes, segmentSize: path.segmentSize,
        isAfterTimeout: isAfterTimeout)
    } else {
      growth = Self.avoidance(window: window, bytes: bytes, segmentSize: path.segmentSize)
    }
    window = Self.bounded(window &+ growth, path)
  }

  /// SMSS * SMSS / cwnd for each segment acknowledged, at least one byte.
  static func avoidance(window: UInt32, bytes: UInt32, segmentSize: UInt32) -> UInt32 {
    let bytes = UInt64(min(bytes, window))
    return max(
      1, UInt32(truncatingIfNeeded: UInt64(segmentSize) &* bytes / UInt64(max(1, window))))
  }

  /// The threshold becomes half of the bytes in flight, at least two segments (RFC 5681 §3.1, equation 4).
  mutating func congested(flight: UInt32, _ path: CongestionPath) {
    threshold = max(min(flight, window) / 2, path.segmentSize &* 2)
    window = threshold
  }

  mutating func timedOut(_ path: CongestionPath) { window = path.segmentSize }

  mutating func allow(_ bytes: UInt32) { window = bytes }

  mutating func restore(_ before: UInt32) {
    window = max(before, window)
    threshold = max(threshold, window)
  }

  mutating func restart(_ path: CongestionPath) {
    window = path.segmentSize &* 4
    threshold = Self.unlimited
  }
}
