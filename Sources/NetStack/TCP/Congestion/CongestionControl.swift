// SPDX-License-Identifier: Apache-2.0
//
// How many bytes may be under way to a guest, as loss allows. One algorithm a file, each a value without
// clock, memory or I/O: NewReno (RFC 5681, RFC 6582) and CUBIC (RFC 9438). `FlowCongestion` is what a
// connection has: the one that was chosen. A connection that never lost anything pays one comparison for
// each segment.
//
// NewReno is the default. Through a queue of 100 segments at 1 Gbit/s (CongestionComparisonTests) both fill the
// link with round trips of 0.1 and 1 ms, as a guest on this machine has them, and a segment waits
// behind 75 and 58 others with NewReno, 84 and 73 with CUBIC. With 5 ms, which no guest has that is not
// behind a network, CUBIC carries 95 % of what the link could, NewReno 88 %. Where 100 segments are all that
// may be under way (RecoveryComparisonTests) 3 MB take 4.5 ms with NewReno and 15 with CUBIC at 0.2 ms, 23 and 35
// at 1 ms: CUBIC gives up less after a loss, and loses more often.

/// What a congestion control is told of the way.
struct CongestionPath: BitwiseCopyable {
  /// SMSS, bytes.
  var segmentSize: UInt32
  /// All that is ever buffered for one connection, bytes: a window larger than that limits nothing.
  var buffer: UInt32
  /// SRTT, microseconds; 0 before the first sample.
  var roundTrip: UInt32 = 0
  /// Nanoseconds of the stack's clock.
  var now: UInt64 = 0
}

/// Windows are in bytes. A window is `unlimited` until something was lost, and again when it has grown
/// beyond the buffer: the link is memory of this machine, and a congestion window that nothing has
/// asked for would only slow it down.
protocol CongestionControl: BitwiseCopyable {
  init()

  /// cwnd.
  var window: UInt32 { get }
  /// ssthresh: below it the window doubles in a round trip.
  var threshold: UInt32 { get }

  /// New bytes were acknowledged, and no loss is being repaired by retransmission.
  /// - Parameter isAfterTimeout: what a timeout took for lost is not all acknowledged.
  mutating func acknowledged(_ bytes: UInt32, isAfterTimeout: Bool, _ path: CongestionPath)

  /// Something was lost: once for each window of data (RFC 5681 §3.1, equation 4).
  /// - Parameter flight: bytes sent and not acknowledged.
  mutating func congested(flight: UInt32, _ path: CongestionPath)

  /// The retransmission timer fired: one segment (the loss window, RFC 5681 §3.1). The first time
  /// `congested` was called before.
  mutating func timedOut(_ path: CongestionPath)

  /// Something other than the guest says how much may be under way for the moment: F-RTO
  /// (RFC 5682 §2.1), which lets two new segments out or takes them back.
  mutating func allow(_ bytes: UInt32)

  /// Nothing was lost after all: the window is what it was before, or what it is now if that is larger.
  mutating func restore(_ before: UInt32)

  /// The way has another MTU: a few segments, and no threshold (RFC 1191 §6.4).
  mutating func restart(_ path: CongestionPath)
}

extension CongestionControl {
  /// More than any buffer.
  static var unlimited: UInt32 { 1 << 30 }

  /// Whether the window is to be asked at all.
  @inline(__always)
  var isLimiting: Bool { window != Self.unlimited }

  /// What may be sent while `pipe` bytes are under way (RFC 6675 §4).
  @inline(__always)
  func room(pipe: UInt32) -> UInt32 { window > pipe ? window &- pipe : 0 }

  /// A window, or none where it is beyond every buffer.
  static func bounded(_ window: UInt32, _ path: CongestionPath) -> UInt32 {
    window > path.buffer ? unlimited : window
  }
}

/// Growth below the threshold, which is one for all.
enum SlowStart {
  /// Segments that one ACK opens the window by at most: L of RFC 3465 §2.2.
  static let limit: UInt32 = 2
  /// The same after a timeout (RFC 3465 §2.3): an ACK may be about what had arrived before.
  static let limitAfterTimeout: UInt32 = 1

  /// By how many bytes the window grows for `bytes` acknowledged (RFC 5681 §3.1, equation 2): to the
  /// threshold and not beyond.
  static func growth(
    window: UInt32, threshold: UInt32, bytes: UInt32, segmentSize: UInt32, isAfterTimeout: Bool
  ) -> UInt32 {
    let most = (isAfterTimeout ? limitAfterTimeout : limit) &* segmentSize
    return min(bytes, most, threshold &- window)
  }
}
