// SPDX-License-Identifier: Apache-2.0
//
// CUBIC (RFC 9438): after a loss the window is a cubic function of the time since the loss, with its inflection point at
// the window before the loss. Integer arithmetic: bytes where the RFC has segments, milliseconds where it has seconds.
//
// Where NewReno's window would be larger, that window is used (§4.3), which is the case with short round trips.

/// CUBIC (RFC 9438).
struct CUBIC: CongestionControl {
  private(set) var window: UInt32
  private(set) var threshold: UInt32
  private(set) var curve: Curve

  /// State of the last reduction.
  struct Curve: BitwiseCopyable {
    /// W_max: the window before the last reduction, reduced further if the window had been shrinking (§4.7). Bytes.
    fileprivate(set) var maximum: UInt32 = 0
    /// cwnd_prior: the window before the last reduction, bytes (§4.3).
    fileprivate var prior: UInt32 = 0
    /// W_est: the window that NewReno would have, bytes (§4.3).
    fileprivate var estimate: UInt32 = 0
    /// K: milliseconds from the start of the epoch until the curve reaches `maximum` (§4.2).
    fileprivate(set) var plateau: UInt32 = 0
    /// t_epoch: the start of congestion avoidance in milliseconds, modulo 2^32; 0 before it has begun.
    fileprivate var epoch: UInt32 = 0
  }

  init() { self.init(window: Self.unlimited, threshold: 0, curve: Curve()) }

  init(window: UInt32, threshold: UInt32, curve: Curve) {
    self.window = window
    self.threshold = threshold
    self.curve = curve
  }

  /// β_cubic * 10 (§4.6).
  private static let beta: UInt64 = 7
  /// C * 10 (§5.1), segments per second cubed.
  private static let scale: UInt64 = 4
  /// α_cubic * 17: 3 * (1 - β_cubic) / (1 + β_cubic) is 9/17 (§4.3).
  private static let alpha: UInt64 = 9
  /// Maximum time since the epoch's start for which the curve is computed, milliseconds: it bounds the arithmetic.
  private static let longest: UInt64 = 1 << 20

  mutating func acknowledged(_ bytes: UInt32, isAfterTimeout: Bool, _ path: CongestionPath) {
    guard bytes > 0, isLimiting else { return }
    if window < threshold {
      window = Self.bounded(
        window
          &+ SlowStart.growth(
            window: window, threshold: threshold, bytes: bytes, segmentSize: path.segmentSize,
            isAfterTimeout: isAfterTimeout), path)
      return
    }
    let now = Self.milliseconds(path.now)
    if curve.epoch == 0 { begin(at: now, path.segmentSize) }
    let elapsed = UInt64(now &- curve.epoch)
    growEstimate(by: min(bytes, window), path.segmentSize)
    let growth: UInt32
    if height(at: elapsed, path.segmentSize) < curve.estimate {
      // The Reno-friendly region (§4.3).
      growth = curve.estimate > window ? curve.estimate &- window : 0
    } else {
      // The concave and convex regions (§4.4, §4.5): per round trip the window moves to the curve's value one round trip
      // ahead, but grows by no more than half (§4.2).
      let ahead = height(at: elapsed &+ UInt64(path.roundTrip / 1000), path.segmentSize)
      let target = max(window, min(ahead, window &+ window / 2))
      growth = UInt32(
        truncatingIfNeeded: UInt64(target &- window) &* UInt64(min(bytes, window))
          / UInt64(max(1, window)))
    }
    window = Self.bounded(window &+ growth, path)
  }

  /// The window becomes 0.7 of the bytes in flight (§4.6), at least two segments, with fast convergence (§4.7).
  mutating func congested(flight: UInt32, _ path: CongestionPath) {
    let before = min(flight, window)
    curve.maximum =
      before < curve.maximum
      ? UInt32(truncatingIfNeeded: UInt64(before) &* (10 &+ Self.beta) / 20) : before
    curve.prior = before
    threshold = max(
      UInt32(truncatingIfNeeded: UInt64(before) &* Self.beta / 10), path.segmentSize &* 2)
    window = threshold
    curve.epoch = 0
  }

  /// The next epoch starts from the window at its begin: K is 0, and W_max is that window (§4.8).
  mutating func timedOut(_ path: CongestionPath) {
    window = path.segmentSize
    curve.maximum = 0
    curve.epoch = 0
  }

  mutating func allow(_ bytes: UInt32) { window = bytes }

  /// Undoes a reduction (§4.9.1). K is not restored: the curve starts flat at the restored window.
  mutating func restore(_ before: UInt32) {
    window = max(before, window)
    threshold = max(threshold, window)
    curve.maximum = max(curve.maximum, window)
    curve.prior = max(curve.prior, window)
    curve.epoch = 0
  }

  mutating func restart(_ path: CongestionPath) {
    self = CUBIC()
    window = path.segmentSize &* 4
    threshold = Self.unlimited
  }

  // MARK: The curve

  /// Begins an epoch of congestion avoidance (§4.2): K is the cube root of (W_max - cwnd_epoch) / C.
  private mutating func begin(at now: UInt32, _ segmentSize: UInt32) {
    curve.epoch = now
    curve.estimate = window
    if curve.maximum < window { curve.maximum = window }
    // In milliseconds cubed: segments / C * 10^9.
    let cube =
      UInt64(curve.maximum &- window) &* 10 &* 1_000_000_000
      / (Self.scale &* UInt64(max(1, segmentSize)))
    curve.plateau = Self.cubeRoot(cube)
  }

  /// W_cubic(t) = C * (t - K)^3 + W_max (§4.2), bytes.
  /// - Parameter elapsed: milliseconds since the epoch began.
  private func height(at elapsed: UInt64, _ segmentSize: UInt32) -> UInt32 {
    let elapsed = min(elapsed, Self.longest)
    let plateau = UInt64(curve.plateau)
    let isBefore = elapsed < plateau
    let distance = min(isBefore ? plateau &- elapsed : elapsed &- plateau, Self.longest)
    // `distance`^3 is at most 2^60 and a segment below 2^16: dividing first prevents overflow.
    let segments = distance &* distance &* distance / 10_000_000
    let bytes = segments &* Self.scale &* UInt64(segmentSize) / 1000
    if isBefore { return UInt64(curve.maximum) > bytes ? curve.maximum &- UInt32(bytes) : 0 }
    return UInt32(min(UInt64(curve.maximum) &+ bytes, UInt64(Self.unlimited)))
  }

  /// W_est += α * bytes acknowledged / cwnd (§4.3); α is 1 once it has reached the window before the loss.
  private mutating func growEstimate(by bytes: UInt32, _ segmentSize: UInt32) {
    let whole = NewReno.avoidance(window: window, bytes: bytes, segmentSize: segmentSize)
    let part =
      curve.estimate >= curve.prior
      ? whole : UInt32(truncatingIfNeeded: UInt64(whole) &* Self.alpha / 17)
    curve.estimate = min(curve.estimate &+ max(1, part), Self.unlimited)
  }

  private static func milliseconds(_ now: UInt64) -> UInt32 {
    max(1, UInt32(truncatingIfNeeded: now / 1_000_000))
  }

  /// The largest number whose cube is not above `value`.
  static func cubeRoot(_ value: UInt64) -> UInt32 {
    // The root of a 64-bit number has 22 bits; they are found from the highest to the lowest.
    var root: UInt64 = 0
    var bit: UInt64 = 1 << 21
    while bit != 0 {
      let next = root | bit
      let (square, _) = next.multipliedReportingOverflow(by: next)
      let (cube, overflows) = square.multipliedReportingOverflow(by: next)
      if !overflows, cube <= value { root = next }
      bit >>= 1
    }
    return UInt32(root)
  }
}
