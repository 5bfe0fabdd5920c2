// SPDX-License-Identifier: Apache-2.0
//
// The state of one connection: trivial, 320 bytes, in a Slab.
//
// A half of its own for each direction (TCPSender, TCPReceiver), and what the engine needs for both: the
// socket, the timer, lists. The far side is a socket of the host.

import Wire

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

/// One connection: five cache lines. What every segment needs is in the first three, which
/// `TCPEngine.lookAhead` fetches; the others have what is needed once in a round trip, or less.
struct TCPFlow: UseListed {
  /// First, for FlowTable.
  var key: FlowKey
  var state: TCPState
  /// What the watch is set to, or will be when the iteration ends.
  var interest: FDEvents = []
  var keepAlives: UInt8 = 0
  /// Bytes to read in the next iteration, in chunks: what was there last time, twice if there was more.
  var readChunks: UInt8 = 1
  var flags: TCPFlowFlags = []
  /// Whose share it counts against (ShareTable).
  var share: UInt32 = 0
  /// Nanoseconds of the stack's clock.
  var lastActivity: UInt64 = 0

  var receiver = TCPReceiver()
  /// The host's socket; -1 when there is none (any more).
  var fd: Int32 = -1
  /// `StackCore.neighborRevision` when `guestMAC` was looked up.
  var neighborRevision: UInt32 = 0
  var guestMAC: MACAddress
  /// What the timer is set to, nanoseconds of the stack's clock.
  var timerDeadline: UInt64 = 0
  var timer: UInt32 = 0
  var nextTouched: UInt32 = 0

  var sender = TCPSender()

  var nextWaiting: UInt32 = 0
  /// 0 when the fd is not watched.
  var watch: HandleID = 0
  /// When a delayed ACK goes out alone, nanoseconds of the stack's clock; 0 for not set.
  var acknowledgeDeadline: UInt64 = 0
  /// In one of the lists of its guest's share.
  var older: UInt32 = 0
  var newer: UInt32 = 0
  /// Whom to tell when it is over (`ForwardEngine.flowClosed`); 0 for nobody.
  var owner: UInt32 = 0

  init(key: FlowKey, guestMAC: MACAddress, state: TCPState) {
    self.key = key
    self.guestMAC = guestMAC
    self.state = state
  }
}

/// What is true of a connection.
struct TCPFlowFlags: OptionSet, BitwiseCopyable {
  let rawValue: UInt32

  /// In the list of flows that `endOfIteration` looks at.
  static let isTouched = TCPFlowFlags(rawValue: 1 << 0)
  /// In its link's list of flows that wait for `txReady`.
  static let isWaiting = TCPFlowFlags(rawValue: 1 << 1)
  /// An ACK is due at the end of the iteration.
  static let ackDue = TCPFlowFlags(rawValue: 1 << 2)
  /// There may be something to send.
  static let outputDue = TCPFlowFlags(rawValue: 1 << 3)
  /// shutdown(SHUT_WR) was called on the socket.
  static let hostShut = TCPFlowFlags(rawValue: 1 << 4)
  /// The socket has no more data: FIN follows `sendEnd`.
  static let hostFinished = TCPFlowFlags(rawValue: 1 << 5)
  /// The socket may have more than was read: the end of the buffer is not the end of a message.
  static let moreExpected = TCPFlowFlags(rawValue: 1 << 6)
  /// The guest offered window scaling: answer with ours.
  static let scaleOffered = TCPFlowFlags(rawValue: 1 << 7)
  /// An ACK is owed that may wait until `acknowledgeDeadline` for data to ride on.
  static let ackDelayed = TCPFlowFlags(rawValue: 1 << 8)
  /// `interest` is not yet what the watch is set to.
  static let isUnsettled = TCPFlowFlags(rawValue: 1 << 9)
  /// The socket has its options.
  static let isPrepared = TCPFlowFlags(rawValue: 1 << 10)
  /// The host's side takes nothing more and has failed: what it sent before goes to the guest.
  static let hostFailed = TCPFlowFlags(rawValue: 1 << 11)
  /// The guest gets an RST behind `sendEnd`; there is no socket any more.
  static let resetDue = TCPFlowFlags(rawValue: 1 << 12)
  /// A SYN or SYN-ACK found the link full.
  static let synDue = TCPFlowFlags(rawValue: 1 << 13)
  /// Detached, and the guest had said and heard all.
  static let endsInOrder = TCPFlowFlags(rawValue: 1 << 14)
  /// SO_LINGER is set so that a close, or the end of the process, resets the host's side.
  static let resetsOnClose = TCPFlowFlags(rawValue: 1 << 15)
  /// SO_KEEPALIVE is set.
  static let isKeptAlive = TCPFlowFlags(rawValue: 1 << 16)
  /// It counts among those to its remote endpoint (Destinations).
  static let isCounted = TCPFlowFlags(rawValue: 1 << 17)
  /// A guest's SYN, not accepted by both sides yet.
  static let isHalfOpen = TCPFlowFlags(rawValue: 1 << 18)
  /// The host's loopback of the other family has not been tried.
  static let mayTryOther = TCPFlowFlags(rawValue: 1 << 19)
}
