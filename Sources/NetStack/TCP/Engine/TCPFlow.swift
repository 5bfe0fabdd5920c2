// SPDX-License-Identifier: Apache-2.0
//
// The state of one connection: a trivial type of 320 bytes in a Slab. It has a value for each direction (TCPSender towards
// the guest, TCPReceiver from it), the host socket, the timer and list links.

import Wire

/// States of RFC 9293 §3.3.2. `connecting`: the guest's SYN was received and the host socket is being connected.
enum TCPState: UInt8 {
  case closed, connecting, synSent, synReceived, established
  case finWait1, finWait2, closing, timeWait, closeWait, lastAck
  /// The guest is gone; bytes that it sent before are still sent to the host (TCPEngine+Detach).
  case detached

  /// The guest may still send data.
  @inline(__always)
  var acceptsData: Bool { self == .established || self == .finWait1 || self == .finWait2 }

  /// Data and FIN may be sent to the guest.
  @inline(__always)
  var isSending: Bool {
    switch self {
    case .established, .closeWait, .finWait1, .closing, .lastAck: true
    default: false
    }
  }
}

/// One connection: five cache lines. Fields that every segment needs are in the first three, which `TCPEngine.lookAhead`
/// prefetches; the others have fields needed once per round trip or less.
struct TCPFlow: UseListed {
  /// The first field, as FlowTable requires.
  var key: FlowKey
  var state: TCPState
  /// Events to watch; applied at the end of the iteration.
  var interest: FDEvents = []
  var keepAlives: UInt8 = 0
  /// Number of chunks for the next read: as many as the last one filled, or twice that if it filled all.
  var readChunks: UInt8 = 1
  var flags: TCPFlowFlags = []
  /// The guest's share that the flow counts against (ShareTable).
  var share: UInt32 = 0
  /// Time of the last use, nanoseconds of the stack's clock.
  var lastActivity: UInt64 = 0

  var receiver = TCPReceiver()
  /// The host socket's descriptor; -1 if there is none.
  var fd: Int32 = -1
  /// `StackCore.neighborRevision` when `guestMAC` was looked up.
  var neighborRevision: UInt32 = 0
  var guestMAC: MACAddress
  /// The timer's time, nanoseconds of the stack's clock.
  var timerDeadline: UInt64 = 0
  var timer: UInt32 = 0
  var nextTouched: UInt32 = 0

  var sender = TCPSender()

  var nextWaiting: UInt32 = 0
  /// The watch of the descriptor; 0 if it is not watched.
  var watch: HandleID = 0
  /// When a delayed ACK is sent alone, nanoseconds of the stack's clock; 0 if none is delayed.
  var acknowledgeDeadline: UInt64 = 0
  /// Links of one of the lists of its guest's share.
  var older: UInt32 = 0
  var newer: UInt32 = 0
  /// The forward's id of the connection (`ForwardEngine.flowClosed`); 0 for none.
  var owner: UInt32 = 0

  init(key: FlowKey, guestMAC: MACAddress, state: TCPState) {
    self.key = key
    self.guestMAC = guestMAC
    self.state = state
  }
}

/// Flags of a connection that concern both directions.
struct TCPFlowFlags: OptionSet, BitwiseCopyable {
  let rawValue: UInt32

  /// On the list that `endOfIteration` visits.
  static let isTouched = TCPFlowFlags(rawValue: 1 << 0)
  /// On its link's list of flows that wait for room.
  static let isWaiting = TCPFlowFlags(rawValue: 1 << 1)
  /// An ACK is due at the end of the iteration.
  static let ackDue = TCPFlowFlags(rawValue: 1 << 2)
  /// There may be data to send.
  static let outputDue = TCPFlowFlags(rawValue: 1 << 3)
  /// shutdown(SHUT_WR) was called on the host socket.
  static let hostShut = TCPFlowFlags(rawValue: 1 << 4)
  /// The host socket's data has ended: a FIN follows `sender.end`.
  static let hostFinished = TCPFlowFlags(rawValue: 1 << 5)
  /// The host socket may have more data: the end of the buffer is not the end of a message.
  static let moreExpected = TCPFlowFlags(rawValue: 1 << 6)
  /// The guest's SYN had a window scale option.
  static let scaleOffered = TCPFlowFlags(rawValue: 1 << 7)
  /// An ACK is delayed until `acknowledgeDeadline`, to go with data.
  static let ackDelayed = TCPFlowFlags(rawValue: 1 << 8)
  /// `interest` has changed and is not applied yet.
  static let isUnsettled = TCPFlowFlags(rawValue: 1 << 9)
  /// The host socket has its options.
  static let isPrepared = TCPFlowFlags(rawValue: 1 << 10)
  /// The host socket failed to send; data that it had received before still goes to the guest.
  static let hostFailed = TCPFlowFlags(rawValue: 1 << 11)
  /// An RST follows `sender.end`; there is no host socket any more.
  static let resetDue = TCPFlowFlags(rawValue: 1 << 12)
  /// A SYN or SYN-ACK was not sent because the link was full.
  static let synDue = TCPFlowFlags(rawValue: 1 << 13)
  /// Detached after both directions had ended with a FIN.
  static let endsInOrder = TCPFlowFlags(rawValue: 1 << 14)
  /// SO_LINGER is set: a close, or the end of the process, resets the connection to the peer.
  static let resetsOnClose = TCPFlowFlags(rawValue: 1 << 15)
  /// SO_KEEPALIVE is set.
  static let isKeptAlive = TCPFlowFlags(rawValue: 1 << 16)
  /// It is counted for its remote endpoint (Destinations).
  static let isCounted = TCPFlowFlags(rawValue: 1 << 17)
  /// Opened by a guest's SYN and not established on both sides yet.
  static let isHalfOpen = TCPFlowFlags(rawValue: 1 << 18)
  /// The host's loopback of the other family has not been tried yet.
  static let mayTryOther = TCPFlowFlags(rawValue: 1 << 19)
}
