// SPDX-License-Identifier: Apache-2.0
//
// The sending half of a connection: a value without clock, memory or I/O. Its inputs are ACKs, segments that were sent and
// expired timers; its outputs are the segments to send.
//
// Names are those of RFC 9293 §3.3.1. The files beside it: Acknowledge (RFC 9293 §3.10.7.4, fifth; RFC 5681, RFC 6582),
// Loss (RFC 8985, RFC 6675), Transmit (RFC 9293 §3.8), Timeout (RFC 6298 §5).
//
//   unacknowledged ──► next ──► end      the bytes between were read from the socket and are kept
//                      maximum           the highest sequence number ever sent

/// The sending half. Fields up to the congestion window, the first 64 bytes, are needed for each segment; the others once
/// per round trip or less.
struct TCPSender: BitwiseCopyable {
  /// When the RTO, a loss probe or a window probe is due, nanoseconds of the stack's clock; 0 if none is. In TIME-WAIT and
  /// in a detached flow it is the engine's deadline.
  var deadline: UInt64 = 0
  /// SND.UNA and SND.NXT.
  var unacknowledged: UInt32 = 0
  var next: UInt32 = 0
  /// The highest sequence number sent, FIN included.
  var maximum: UInt32 = 0
  /// The end of the data read from the host socket.
  var end: UInt32 = 0
  /// SND.WND in bytes, SND.WL1 and SND.WL2.
  var window: UInt32 = 0
  var windowSequence: UInt32 = 0
  var windowAcknowledgement: UInt32 = 0
  /// Slot of its bytes in SequenceStore.
  var table: UInt32 = 0
  /// Slot of its SACKScoreboard; 0 if at most one burst is in flight, or the guest has no SACK.
  var scoreboard: UInt32 = 0
  /// Sequence number of the segment being timed, if `isTiming`.
  var timedSequence: UInt32 = 0
  /// SMSS: bytes of payload per segment.
  var segmentSize: UInt16 = 536
  var flags: SenderFlags = []
  var duplicateAcks: UInt8 = 0
  /// Number of unanswered retransmissions or window probes.
  var attempts: UInt8 = 0
  /// The scale of the guest's window field (RFC 7323 §2).
  var windowScale: UInt8 = 0
  /// Its window is within the first 64 bytes.
  var congestion = FlowCongestion()

  // Fields needed once per round trip or less.
  /// When the segment being timed was sent, microseconds modulo 2^32.
  var timedAt: UInt32 = 0
  /// When the last burst was sent, microseconds modulo 2^32. Without a scoreboard it is all that is in flight.
  var sentAt: UInt32 = 0
  var rtt = RTTEstimator()
  var largestWindow: UInt32 = 0
  /// In recovery: its acknowledgement ends the recovery. Without a scoreboard data before `retransmitNext` was
  /// retransmitted.
  var recoveryPoint: UInt32 = 0
  var retransmitNext: UInt32 = 0
  var spuriousTimeout = SpuriousTimeout()
  var rack = RACK()
  var probe = TailLossProbe()

  /// FlightSize (RFC 5681 §2): bytes sent and not acknowledged.
  @inline(__always)
  var flight: UInt32 { maximum &- unacknowledged }

  /// Number of bytes buffered for the guest, in flight or unsent.
  @inline(__always)
  var bufferedCount: UInt32 { Sequence32.distance(from: unacknowledged, to: end) }

  /// Nothing is in flight.
  @inline(__always)
  var isIdle: Bool { unacknowledged == maximum }

  /// Starts at an initial sequence number, which is the SYN's.
  mutating func begin(at sequence: UInt32) {
    unacknowledged = sequence
    next = sequence &+ 1
    maximum = sequence &+ 1
    end = sequence &+ 1
  }

  /// Sets the window from the guest's SYN or SYN-ACK.
  mutating func setWindow(_ bytes: UInt32, sequence: UInt32, acknowledgement: UInt32) {
    window = bytes
    largestWindow = bytes
    windowSequence = sequence
    windowAcknowledgement = acknowledgement
  }

  /// The SYN was acknowledged; it is no byte of the data.
  mutating func synAcknowledged(_ acknowledgement: UInt32) {
    unacknowledged = acknowledgement
    attempts = 0
    deadline = 0
  }

  /// Drops unsent data and counts data in flight as acknowledged: an RST follows.
  mutating func abandon() {
    unacknowledged = maximum
    next = maximum
    end = maximum
    deadline = 0
    flags.subtract([
      .inRecovery, .inLoss, .retransmitDue, .isProbing, .finSent, .isMarked, .isReorderArmed,
    ])
  }

  /// The path's MTU is smaller (RFC 1191): data in flight was too long, and is retransmitted from its first byte with slow
  /// start, although there is no sign of congestion (§6.4).
  mutating func reduceSegments(to size: UInt16, _ path: CongestionPath) {
    segmentSize = size
    var path = path
    path.segmentSize = UInt32(size)
    flags.subtract([.inRecovery, .retransmitDue, .isTiming, .tailProbed, .isReorderArmed])
    flags.insert(.inLoss)
    spuriousTimeout.forget()
    recoveryPoint = maximum
    congestion.restart(path)
    next = unacknowledged
  }
}

/// Flags of the sending half.
struct SenderFlags: OptionSet, BitwiseCopyable {
  let rawValue: UInt16

  static let sackPermitted = SenderFlags(rawValue: 1 << 0)
  /// The FIN was sent once; its sequence number is `end`.
  static let finSent = SenderFlags(rawValue: 1 << 1)
  /// A loss is being repaired by retransmission (RFC 6582, RFC 6675 §5).
  static let inRecovery = SenderFlags(rawValue: 1 << 2)
  static let isTiming = SenderFlags(rawValue: 1 << 3)
  /// `deadline` is a window probe's.
  static let isProbing = SenderFlags(rawValue: 1 << 4)
  /// Lost data must be retransmitted.
  static let retransmitDue = SenderFlags(rawValue: 1 << 5)
  /// `deadline` is a loss probe's; the RTO follows it (RFC 8985 §7).
  static let isTailArmed = SenderFlags(rawValue: 1 << 6)
  /// After a retransmission timeout, until `recoveryPoint` is acknowledged.
  static let inLoss = SenderFlags(rawValue: 1 << 7)
  /// A loss probe is outstanding (TLP.end_seq is not None). The next one may be sent after it is acknowledged.
  static let tailProbed = SenderFlags(rawValue: 1 << 8)
  /// The scoreboard has reported, lost or retransmitted runs: each ACK goes through loss detection (RFC 8985 §6).
  static let isMarked = SenderFlags(rawValue: 1 << 9)
  /// `deadline` is the reordering timer's (RFC 8985 §6.3).
  static let isReorderArmed = SenderFlags(rawValue: 1 << 10)
}
