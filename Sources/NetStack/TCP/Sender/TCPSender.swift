// SPDX-License-Identifier: Apache-2.0
//
// The half of a connection towards the guest: a value without clock, memory or I/O. It is told what
// was acknowledged, what went out and that time is over, and says what is to go out.
//
// Names are those of RFC 9293 §3.3.1. The files beside it: Acknowledge (RFC 9293 §3.10.7.4, fifth; RFC 5681,
// RFC 6582), Loss (RFC 8985, RFC 6675), Transmit (RFC 9293 §3.8), Timeout (RFC 6298 §5).
//
//   unacknowledged ──► next ──► end      what lies between was read from the socket and is kept
//                      maximum           the highest that was ever sent

/// See the head of this file. The first 64 bytes are what each segment needs, up to the congestion window; the
/// rest is for once in a round trip, or less.
struct TCPSender: BitwiseCopyable {
  /// When the RTO, a loss probe or a probe of a closed window is due, nanoseconds of the stack's clock; 0 for
  /// not set. (Of a connection without anything to send it is the engine's: TIME-WAIT, a detached one.)
  var deadline: UInt64 = 0
  /// SND.UNA and SND.NXT.
  var unacknowledged: UInt32 = 0
  var next: UInt32 = 0
  /// The highest sequence number sent, FIN included.
  var maximum: UInt32 = 0
  /// The end of the data read from the host.
  var end: UInt32 = 0
  /// The guest's window in bytes, and the segment it came with (SND.WND, SND.WL1, SND.WL2).
  var window: UInt32 = 0
  var windowSequence: UInt32 = 0
  var windowAcknowledgement: UInt32 = 0
  /// Slot of its bytes in SequenceStore.
  var table: UInt32 = 0
  /// Slot of its SACKScoreboard; 0 while one burst at most is under way, and for a guest without SACK.
  var scoreboard: UInt32 = 0
  /// The segment being timed, if `isTiming`.
  var timedSequence: UInt32 = 0
  /// SMSS: bytes of payload per segment.
  var segmentSize: UInt16 = 536
  var flags: SenderFlags = []
  var duplicateAcks: UInt8 = 0
  /// Retransmissions or probes of a window without an answer.
  var attempts: UInt8 = 0
  /// The shift of the guest's window field (RFC 7323 §2).
  var windowScale: UInt8 = 0
  /// Its window is within the first 64 bytes.
  var congestion = FlowCongestion()

  // Once in a round trip, or less.
  /// When the segment being timed was sent, microseconds as they wrap.
  var timedAt: UInt32 = 0
  /// When the last burst was sent, which is all that is under way while there is no scoreboard; the same clock.
  var sentAt: UInt32 = 0
  var rtt = RTTEstimator()
  var largestWindow: UInt32 = 0
  /// While `inRecovery`: acknowledging this ends it; without a scoreboard what lies before `retransmitNext` was
  /// sent again.
  var recoveryPoint: UInt32 = 0
  var retransmitNext: UInt32 = 0
  var spuriousTimeout = SpuriousTimeout()
  var rack = RACK()
  var probe = TailLossProbe()

  /// FlightSize (RFC 5681 §2): bytes sent and not acknowledged.
  @inline(__always)
  var flight: UInt32 { maximum &- unacknowledged }

  /// Bytes kept for the guest.
  @inline(__always)
  var bufferedCount: UInt32 { Sequence32.distance(from: unacknowledged, to: end) }

  /// Nothing was sent that is not acknowledged.
  @inline(__always)
  var isIdle: Bool { unacknowledged == maximum }

  /// Begins at an initial sequence number: the SYN is the first thing to be acknowledged.
  mutating func begin(at sequence: UInt32) {
    unacknowledged = sequence
    next = sequence &+ 1
    maximum = sequence &+ 1
    end = sequence &+ 1
  }

  /// Takes the guest's window as a SYN, or the ACK of ours, says it.
  mutating func setWindow(_ bytes: UInt32, sequence: UInt32, acknowledgement: UInt32) {
    window = bytes
    largestWindow = bytes
    windowSequence = sequence
    windowAcknowledgement = acknowledgement
  }

  /// The first the guest acknowledges is the SYN, which holds no byte.
  mutating func synAcknowledged(_ acknowledgement: UInt32) {
    unacknowledged = acknowledgement
    attempts = 0
    deadline = 0
  }

  /// Everything that was not sent is forgotten, and what was counts as acknowledged: an RST follows.
  mutating func abandon() {
    unacknowledged = maximum
    next = maximum
    end = maximum
    deadline = 0
    flags.subtract([
      .inRecovery, .inLoss, .retransmitDue, .isProbing, .finSent, .isMarked, .isReorderArmed,
    ])
  }

  /// The way has a smaller MTU (RFC 1191): what is under way was too long, and goes once more from its first
  /// byte, slowly at first, though nothing says that the way is full (§6.4).
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

/// What is true of the half towards the guest.
struct SenderFlags: OptionSet, BitwiseCopyable {
  let rawValue: UInt16

  static let sackPermitted = SenderFlags(rawValue: 1 << 0)
  /// The FIN was sent once; its sequence number is `end`.
  static let finSent = SenderFlags(rawValue: 1 << 1)
  /// A loss is being repaired by retransmission (RFC 6582, RFC 6675 §5).
  static let inRecovery = SenderFlags(rawValue: 1 << 2)
  static let isTiming = SenderFlags(rawValue: 1 << 3)
  /// `deadline` is for a probe of a closed window.
  static let isProbing = SenderFlags(rawValue: 1 << 4)
  /// What is known to be lost must go out again.
  static let retransmitDue = SenderFlags(rawValue: 1 << 5)
  /// `deadline` is a loss probe's; after it comes the RTO (RFC 8985 §7).
  static let isTailArmed = SenderFlags(rawValue: 1 << 6)
  /// After a retransmission timeout, until `recoveryPoint` is acknowledged.
  static let inLoss = SenderFlags(rawValue: 1 << 7)
  /// What a loss probe means is not known yet (TLP.end_seq is not None). Another one may follow once it is
  /// acknowledged.
  static let tailProbed = SenderFlags(rawValue: 1 << 8)
  /// Something on the scoreboard was reported, is lost or was sent again: each ACK is looked at (RFC 8985 §6).
  static let isMarked = SenderFlags(rawValue: 1 << 9)
  /// `deadline` is when a segment counts as lost that is only late until then (RFC 8985 §6.3).
  static let isReorderArmed = SenderFlags(rawValue: 1 << 10)
}
