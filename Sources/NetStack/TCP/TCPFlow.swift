// SPDX-License-Identifier: Apache-2.0
//
// The state of one connection: trivial, 256 bytes, in a Slab.
//
// Names are those of RFC 9293 §3.3.1, seen from the stack: "send" is towards the guest,
// "receive" from it. The far side is a socket of the host.
//
//   from the guest:   hostNext ──pending──► receiveNext ──window──► receiveEdge
//   to the guest:     sendUnacknowledged ──► sendNext ──► sendEnd
//
// [hostNext, receiveNext) was acknowledged to the guest but not yet taken by the host's
// kernel; [sendUnacknowledged, sendEnd) was read from the socket and is kept until acknowledged.

import PluginAPI

/// RFC 9293 §3.3.2; `connecting` is SYN-RECEIVED before the host's side is connected.
enum TCPState: UInt8 {
  case closed, connecting, synSent, synReceived, established
  case finWait1, finWait2, closing, timeWait, closeWait, lastAck
  /// The guest has left; what it sent before still goes to the host (TCPEngine+Detach).
  case detached

  /// The guest may still send data.
  @inline(__always)
  var acceptsData: Bool { self == .established || self == .finWait1 || self == .finWait2 }

  /// Data and FIN may go to the guest.
  @inline(__always)
  var isSending: Bool {
    switch self {
    case .established, .closeWait, .finWait1, .closing, .lastAck: true
    default: false
    }
  }
}

/// One connection: four cache lines. What every segment needs is in the first three, which
/// `TCPEngine.lookAhead` fetches; the last has what is needed once in a round trip, or less.
struct TCPFlow: UseListed {
  /// First, for FlowTable.
  var key: FlowKey
  var state: TCPState
  /// LND_FD_READ, LND_FD_WRITE: what the watch is set to, or will be when the turn ends.
  var interest: UInt8 = 0
  var sendScale: UInt8 = 0
  var receiveScale: UInt8 = 0
  var flags: TCPFlowFlags = []
  /// Nanoseconds of the stack's clock.
  var lastActivity: UInt64 = 0

  // Receive: from the guest
  var receiveNext: UInt32 = 0
  /// End of the largest window that was advertised; it never moves back.
  var receiveEdge: UInt32 = 0
  /// The first byte the host's kernel has not taken.
  var hostNext: UInt32 = 0
  /// Slot in SequenceStore.
  var receiveTable: UInt32 = 0
  /// Slot of the SequenceRanges that arrived out of order; 0 when nothing is missing.
  var reassembly: UInt32 = 0
  /// Slices of this batch: places in TCPEngine's list, -1 for none.
  var batchHead: Int16 = -1
  var batchTail: Int16 = -1
  /// `StackCore.neighborRevision` when `guestMAC` was looked up.
  var neighborRevision: UInt32 = 0
  /// The host's socket; -1 when there is none (any more).
  var fd: Int32 = -1

  // Send: to the guest
  var sendUnacknowledged: UInt32 = 0
  var sendNext: UInt32 = 0
  /// The highest sequence number sent, FIN included.
  var sendMaximum: UInt32 = 0
  /// The end of the data read from the host.
  var sendEnd: UInt32 = 0
  /// The guest's window in bytes, and the segment it came with.
  var sendWindow: UInt32 = 0
  var sendWindowSequence: UInt32 = 0
  var sendWindowAcknowledgement: UInt32 = 0
  /// Slot in SequenceStore.
  var sendTable: UInt32 = 0

  var guestMAC: MACAddress
  // Timers (nanoseconds of the stack's clock; 0 means not set)
  var timerDeadline: UInt64 = 0
  /// RTO, or the next probe of a zero window.
  var retransmitDeadline: UInt64 = 0
  var timer: UInt32 = 0
  var nextTouched: UInt32 = 0
  var congestion = FlowCongestion()
  /// Whose share it counts against (ShareTable).
  var share: UInt32 = 0
  /// Slot of the SequenceRanges the guest reported; 0 when it reported nothing.
  var scoreboard: UInt32 = 0
  var largestSendWindow: UInt32 = 0
  /// Bytes of payload per segment.
  var segmentSize: UInt16 = 536
  /// Segments of this batch that arrived out of order: so many duplicate ACKs are due.
  var duplicatesDue: UInt8 = 0
  var duplicateAcks: UInt8 = 0
  /// Retransmissions, probes of a window, or keep-alives without an answer.
  var attempts: UInt8 = 0
  var keepAlives: UInt8 = 0
  /// Exchanges in a row of one segment from the guest and an answer; see `mayDelayAck`.
  var exchanges: UInt8 = 0
  /// Bytes to read in the next turn, in chunks: what was there last time, twice if there was more.
  var readChunks: UInt8 = 1
  /// The segment being timed, if `isTiming`.
  var timedSequence: UInt32 = 0

  /// 0 when the fd is not watched.
  var watch: lnd_handle = 0
  /// In one of the lists of its guest's share.
  var older: UInt32 = 0
  var newer: UInt32 = 0
  /// Whom to tell when it is over (`ForwardEngine.flowClosed`); 0 for nobody.
  var owner: UInt32 = 0
  var initialReceive: UInt32 = 0
  /// Where the guest's FIN is, if `finSeen`.
  var finSequence: UInt32 = 0
  /// While `inRecovery`: acknowledging this ends it; holes before `retransmitNext` were sent again.
  var recoveryPoint: UInt32 = 0
  var retransmitNext: UInt32 = 0
  var nextWaiting: UInt32 = 0
  var rtt = RTTEstimator()
  /// When the segment being timed was sent (`TCPEngine.clock`).
  var timedAt: UInt32 = 0
  /// The congestion window before a timeout that may turn out to be spurious; 0 for none.
  var windowBeforeTimeout: UInt32 = 0
  /// When a delayed ACK goes out alone.
  var acknowledgeDeadline: UInt64 = 0

  init(key: FlowKey, guestMAC: MACAddress, state: TCPState) {
    self.key = key
    self.guestMAC = guestMAC
    self.state = state
  }

  /// Bytes the host's kernel has not taken, in order.
  @inline(__always)
  var pendingCount: UInt32 {
    receiveNext &- hostNext &- (flags.contains(.guestFinished) ? 1 : 0)
  }

  /// Bytes kept for the guest.
  @inline(__always)
  var bufferedCount: UInt32 { Sequence32.distance(from: sendUnacknowledged, to: sendEnd) }
}

/// What is true of a connection.
struct TCPFlowFlags: OptionSet, BitwiseCopyable {
  let rawValue: UInt32

  /// In the list of flows that `endOfTurn` looks at.
  static let isTouched = TCPFlowFlags(rawValue: 1 << 0)
  /// In its link's list of flows that wait for `txReady`.
  static let isWaiting = TCPFlowFlags(rawValue: 1 << 1)
  /// An ACK is due at the end of the turn.
  static let ackDue = TCPFlowFlags(rawValue: 1 << 2)
  /// There may be something to send.
  static let outputDue = TCPFlowFlags(rawValue: 1 << 3)
  /// A FIN of the guest is known, at `finSequence`.
  static let finSeen = TCPFlowFlags(rawValue: 1 << 4)
  /// Everything up to the guest's FIN has arrived; `receiveNext` is after it.
  static let guestFinished = TCPFlowFlags(rawValue: 1 << 5)
  /// shutdown(SHUT_WR) was called on the socket.
  static let hostShut = TCPFlowFlags(rawValue: 1 << 6)
  /// The socket has no more data: FIN follows `sendEnd`.
  static let hostFinished = TCPFlowFlags(rawValue: 1 << 7)
  /// Our FIN was sent once; its sequence number is `sendEnd`.
  static let finSent = TCPFlowFlags(rawValue: 1 << 8)
  static let sackPermitted = TCPFlowFlags(rawValue: 1 << 9)
  static let inRecovery = TCPFlowFlags(rawValue: 1 << 10)
  static let isTiming = TCPFlowFlags(rawValue: 1 << 11)
  /// `retransmitDeadline` is for a probe of a closed window.
  static let isProbing = TCPFlowFlags(rawValue: 1 << 12)
  /// The socket may have more than was read: the end of the buffer is not the end of a message.
  static let moreExpected = TCPFlowFlags(rawValue: 1 << 13)
  /// The guest offered window scaling: answer with ours.
  static let scaleOffered = TCPFlowFlags(rawValue: 1 << 14)
  /// A segment at `sendUnacknowledged` must go out again.
  static let retransmitDue = TCPFlowFlags(rawValue: 1 << 15)
  /// `retransmitDeadline` is a probe's; after it comes the RTO (RFC 8985 §7).
  static let isTailArmed = TCPFlowFlags(rawValue: 1 << 16)
  /// After a retransmission timeout, until `recoveryPoint` is acknowledged.
  static let inLoss = TCPFlowFlags(rawValue: 1 << 17)
  /// It was probed, and nothing was acknowledged since.
  static let tailProbed = TCPFlowFlags(rawValue: 1 << 18)
  /// The guest sent data since data was last sent to it.
  static let guestSpoke = TCPFlowFlags(rawValue: 1 << 19)
  /// An ACK is owed that may wait until `acknowledgeDeadline` for data to ride on.
  static let ackDelayed = TCPFlowFlags(rawValue: 1 << 20)
  /// `interest` is not yet what the watch is set to.
  static let isUnsettled = TCPFlowFlags(rawValue: 1 << 21)
  /// The socket has its options.
  static let isPrepared = TCPFlowFlags(rawValue: 1 << 22)
  /// The host's side takes nothing more and has failed: what it sent before goes to the guest.
  static let hostFailed = TCPFlowFlags(rawValue: 1 << 23)
  /// The guest gets an RST behind `sendEnd`; there is no socket any more.
  static let resetDue = TCPFlowFlags(rawValue: 1 << 24)
  /// A SYN or SYN-ACK found the link full.
  static let synDue = TCPFlowFlags(rawValue: 1 << 25)
  /// Detached, and the guest had said and heard all.
  static let endsInOrder = TCPFlowFlags(rawValue: 1 << 26)
  /// SO_LINGER is set so that a close, or the end of the process, resets the host's side.
  static let resetsOnClose = TCPFlowFlags(rawValue: 1 << 27)
  /// SO_KEEPALIVE is set.
  static let isKeptAlive = TCPFlowFlags(rawValue: 1 << 28)
  /// After a timeout: new data went out, and nothing was acknowledged since (TCPEngine+SpuriousTimeout).
  static let sentAfterTimeout = TCPFlowFlags(rawValue: 1 << 29)
  /// It counts among those to its remote endpoint (Destinations).
  static let isCounted = TCPFlowFlags(rawValue: 1 << 30)
  /// A guest's SYN, not accepted by both sides yet.
  static let isHalfOpen = TCPFlowFlags(rawValue: 1 << 31)
}
