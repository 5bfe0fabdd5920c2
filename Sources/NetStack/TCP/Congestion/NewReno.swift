// SPDX-License-Identifier: Apache-2.0
//
// TCP's standard congestion control (RFC 5681 §3.1), by the bytes that are acknowledged (RFC 3465).
// What is sent while a loss is repaired is the sender's (RFC 6582, RFC 6675).

/// See the head of this file. Bytes.
struct NewReno: CongestionControl {
  private(set) var window: UInt32
  private(set) var threshold: UInt32

  init() { self.init(window: Self.unlimited, threshold: 0) }

  init(window: UInt32, threshold: UInt32) {
    self.window = window
    self.threshold = threshold
  }

  /// Slow start below the threshold, from there on about a segment for each round trip (congestion
  /// avoidance, RFC 5681 §3.1, equation 3).
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

  /// SMSS * SMSS / cwnd for each segment acknowledged, a byte at least.
  static func avoidance(window: UInt32, bytes: UInt32, segmentSize: UInt32) -> UInt32 {
    let bytes = UInt64(min(bytes, window))
    return max(
      1, UInt32(truncatingIfNeeded: UInt64(segmentSize) &* bytes / UInt64(max(1, window))))
  }

  /// Half of what is under way, not below two segments.
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
