// SPDX-License-Identifier: Apache-2.0
//
// The congestion window: how many bytes may be in flight to a guest. Each algorithm is a file and a value without clock,
// memory or I/O: NewReno (RFC 5681, RFC 6582) and CUBIC (RFC 9438). A connection has a `FlowCongestion`, which holds the
// configured one. A connection without a loss pays one comparison per segment.
//
// NewReno is the default. Through a queue of 100 segments at 1 Gbit/s (CongestionComparisonTests) both fill the link at
// round trips of 0.1 and 1 ms, which are those of a guest on the same machine; a segment waits behind 75 and 58 others with
// NewReno, 84 and 73 with CUBIC. At 5 ms, which needs a network behind the guest, CUBIC carries 95 % of the link's rate and
// NewReno 88 %. With at most 100 segments in flight (RecoveryComparisonTests) 3 MB take 4.5 ms with NewReno and 15 with
// CUBIC at 0.2 ms, 23 and 35 at 1 ms: CUBIC reduces its window less after a loss, and loses more often.

/// The properties of a path that congestion control uses.
struct CongestionPath: BitwiseCopyable {
  /// SMSS, bytes.
  var segmentSize: UInt32
  /// Maximum number of bytes buffered for a connection; a larger window has no effect.
  var buffer: UInt32
  /// SRTT, microseconds; 0 before the first sample.
  var roundTrip: UInt32 = 0
  /// Nanoseconds of the stack's clock.
  var now: UInt64 = 0
}

/// A congestion control algorithm. Windows are in bytes. The window is `unlimited` until the first loss, and again when it
/// has grown beyond the buffer: the link to a guest is memory of the same machine, which needs no slow start.
protocol CongestionControl: BitwiseCopyable {
  init()

  /// cwnd.
  var window: UInt32 { get }
  /// ssthresh: below it the window doubles in each round trip.
  var threshold: UInt32 { get }

  /// New bytes were acknowledged, outside of loss recovery.
  /// - Parameter isAfterTimeout: bytes that a timeout marked as lost are still unacknowledged.
  mutating func acknowledged(_ bytes: UInt32, isAfterTimeout: Bool, _ path: CongestionPath)

  /// A loss was detected; called once for each window of data (RFC 5681 §3.1, equation 4).
  /// - Parameter flight: bytes sent and not acknowledged.
  mutating func congested(flight: UInt32, _ path: CongestionPath)

  /// The retransmission timer fired: the window becomes one segment (loss window, RFC 5681 §3.1). Before the first of
  /// several timeouts in a row `congested` was called.
  mutating func timedOut(_ path: CongestionPath)

  /// Sets the window temporarily, for F-RTO (RFC 5682 §2.1), which sends two new segments or reverts the timeout.
  mutating func allow(_ bytes: UInt32)

  /// The reduction was spurious: the window becomes the larger of `before` and its present value.
  mutating func restore(_ before: UInt32)

  /// The path's MTU changed: the window becomes a few segments, without a threshold (RFC 1191 §6.4).
  mutating func restart(_ path: CongestionPath)
}

extension CongestionControl {
  /// Larger than any buffer.
  static var unlimited: UInt32 { 1 << 30 }

  /// Whether the window limits the sender.
  @inline(__always)
  var isLimiting: Bool { window != Self.unlimited }

  /// Bytes that may be sent while `pipe` bytes are in flight (RFC 6675 §4).
  @inline(__always)
  func room(pipe: UInt32) -> UInt32 { window > pipe ? window &- pipe : 0 }

  /// `window`, or `unlimited` if it exceeds the buffer.
  static func bounded(_ window: UInt32, _ path: CongestionPath) -> UInt32 {
    window > path.buffer ? unlimited : window
  }
}

/// Slow start, the same for all algorithms.
enum SlowStart {
  /// L of RFC 3465 §2.2: the number of segments by which one ACK may increase the window.
  static let limit: UInt32 = 2
  /// The same after a timeout (RFC 3465 §2.3), where an ACK may cover segments that had arrived before it.
  static let limitAfterTimeout: UInt32 = 1

  /// The increase of the window for `bytes` acknowledged (RFC 5681 §3.1, equation 2), limited to the threshold.
  static func growth(
    window: UInt32, threshold: UInt32, bytes: UInt32, segmentSize: UInt32, isAfterTimeout: Bool
  ) -> UInt32 {
    let most = (isAfterTimeout ? limitAfterTimeout : limit) &* segmentSize
    return min(bytes, most, threshold &- window)
  }
}
