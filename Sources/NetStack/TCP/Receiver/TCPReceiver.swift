// SPDX-License-Identifier: Apache-2.0
//
// The receiving half of a connection: a value without clock, memory or I/O. It decides which bytes of a segment are kept,
// when they are acknowledged and which window is advertised (RFC 9293 §3.3.1, §3.8.6, §3.10.7.4 seventh and eighth).
//
//   hostNext ──pending──► next ──window──► edge
//
// Bytes in [hostNext, next) are acknowledged, or will be in this iteration, and the host's kernel has not taken them yet.

/// The receiving half: 32 bytes, all of which each segment with data needs.
struct TCPReceiver: BitwiseCopyable {
  /// RCV.NXT.
  var next: UInt32 = 0
  /// RCV.NXT + RCV.WND: the end of the largest window that was advertised; it never moves back.
  var edge: UInt32 = 0
  /// The first byte that the host's kernel has not taken.
  var hostNext: UInt32 = 0
  /// Slot of its bytes in SequenceStore.
  var table: UInt32 = 0
  /// Slot of the SequenceRanges with out-of-order data; 0 if nothing is missing.
  var reassembly: UInt32 = 0
  /// Sequence number of the guest's FIN, if `finSeen`.
  var finSequence: UInt32 = 0
  /// First and last slice of this batch: indices in TCPEngine's list, -1 for none.
  var batchHead: Int16 = -1
  var batchTail: Int16 = -1
  /// The scale of advertised windows (RFC 7323 §2).
  var windowScale: UInt8 = 0
  /// Number of out-of-order segments in this batch, each of which needs a duplicate ACK.
  var duplicatesDue: UInt8 = 0
  /// Number of consecutive exchanges of one segment from the guest and a response; see `delaysAck`.
  var exchanges: UInt8 = 0
  var flags: ReceiverFlags = []

  /// Number of exchanges after which ACKs are delayed.
  static let exchangesBeforeDelay: UInt8 = 4

  /// Initialises the state from the guest's SYN.
  mutating func begin(after syn: UInt32) {
    next = syn &+ 1
    edge = syn &+ 1
    hostNext = syn &+ 1
  }

  /// IRS: the sequence number of the guest's SYN; valid until data was received.
  var initialSequence: UInt32 { next &- 1 }

  /// Number of in-order bytes that the host's kernel has not taken.
  @inline(__always)
  var pendingCount: UInt32 { next &- hostNext &- (flags.contains(.finTaken) ? 1 : 0) }

  // MARK: A segment

  /// Position of a segment relative to the window (RFC 9293 §3.10.7.4, first).
  enum Place {
    case acceptable
    /// All of it was received before; it may be a keep-alive.
    case old
    /// Beyond the window.
    case beyond
  }

  /// - Parameter length: SEG.LEN, including the FIN.
  @inline(__always)
  func place(of sequence: UInt32, length: UInt32) -> Place {
    let end = sequence &+ length
    let isOutside =
      Sequence32.less(edge, sequence)
      || (length > 0 ? Sequence32.lessOrEqual(end, next) : Sequence32.less(end, next))
    guard isOutside else { return .acceptable }
    return Sequence32.less(sequence, next) ? .old : .beyond
  }

  /// The part of a segment's data to keep.
  struct Text: Equatable {
    var sequence: UInt32
    /// Number of bytes to skip at the start, and of bytes to keep after them.
    var skipped: Int
    var count: Int
    /// Nothing before it is missing.
    var isNext: Bool
  }

  /// The part of an acceptable segment that is in the window and was not received before. Records its FIN. Nil if it
  /// contradicts earlier segments: data after the FIN.
  /// - Parameter highest: end of the out-of-order data; nil if there is none.
  @inline(__always)
  mutating func take(_ sequence: UInt32, count: Int, hasFin: Bool, highest: UInt32?) -> Text? {
    var end = sequence &+ UInt32(truncatingIfNeeded: count)
    var text = Text(sequence: sequence, skipped: 0, count: count, isNext: sequence == next)
    var fin = hasFin
    if Sequence32.less(sequence, next) {
      text.skipped = min(Int(next &- sequence), count)
      text.count = count &- text.skipped
      text.sequence = next
      text.isNext = true
    }
    if Sequence32.less(edge, end) {
      text.count = min(text.count, Int(Sequence32.distance(from: text.sequence, to: edge)))
      end = edge
      fin = false
    }
    if flags.contains(.finSeen), Sequence32.less(finSequence, end) { return nil }
    // A FIN before data that was already received is invalid; the data is kept.
    if fin, !flags.contains(.finSeen), Sequence32.lessOrEqual(highest ?? end, end) {
      finSequence = end
      flags.insert(.finSeen)
    }
    return text
  }

  /// Advances over out-of-order data that begins at or before `next`.
  mutating func reach(_ end: UInt32) { next = Sequence32.max(next, end) }

  // MARK: The FIN

  /// All data before the guest's FIN was received, and the FIN is not acknowledged yet.
  @inline(__always)
  var hasFinToTake: Bool {
    flags.contains(.finSeen) && !flags.contains(.finTaken) && next == finSequence
  }

  /// Acknowledges the FIN with the next segment.
  mutating func takeFin() {
    next &+= 1
    flags.insert(.finTaken)
  }

  // MARK: ACKs

  /// Whether the ACK of an in-order segment may be delayed (RFC 9293 §3.8.6.3): of one segment at most, and only after
  /// several request-response exchanges. A guest whose request is in two segments, the second of which waits for the ACK of
  /// the first (Nagle), never meets that condition.
  @inline(__always)
  mutating func delaysAck(of count: Int, segmentSize: UInt16, isEstablished: Bool) -> Bool {
    if flags.contains(.guestSpoke) {
      exchanges = 0
      return false
    }
    flags.insert(.guestSpoke)
    return exchanges >= Self.exchangesBeforeDelay && isEstablished && !flags.contains(.finSeen)
      && count <= Int(segmentSize)
  }

  /// New data was sent to the guest: a response, if the guest had sent data.
  @inline(__always)
  mutating func answered() {
    guard flags.contains(.guestSpoke) else { return }
    flags.remove(.guestSpoke)
    if exchanges < Self.exchangesBeforeDelay { exchanges &+= 1 }
  }

  // MARK: The window

  /// The right edge of the window to advertise: never less than before, and moved only by an amount worth a window update
  /// (silly window syndrome: RFC 9293 §3.8.6.2.2).
  /// - Parameters:
  ///   - limit: the maximum window.
  ///   - outOfOrder: number of bytes received out of order.
  @inline(__always)
  func windowEdge(limit: UInt32, outOfOrder: UInt32, segmentSize: UInt16) -> UInt32 {
    let used = pendingCount &+ outOfOrder
    let free = used < limit ? limit &- used : 0
    let new = next &+ free
    let step = Sequence32.distance(from: edge, to: new)
    return step >= min(limit / 2, UInt32(segmentSize)) ? new : edge
  }

  /// The window field for `edge`, or the largest possible one.
  @inline(__always)
  func windowField(for edge: UInt32) -> UInt16 {
    UInt16(truncatingIfNeeded: min((edge &- next) >> UInt32(windowScale), 65535))
  }

  /// Records that a segment with this window field was sent.
  @inline(__always)
  mutating func advertised(_ field: UInt16) {
    edge = Sequence32.max(edge, next &+ (UInt32(field) << UInt32(windowScale)))
  }
}

/// Flags of the receiving half.
struct ReceiverFlags: OptionSet, BitwiseCopyable {
  let rawValue: UInt8

  /// A FIN of the guest was received; it is at `finSequence`.
  static let finSeen = ReceiverFlags(rawValue: 1 << 0)
  /// Everything up to the guest's FIN was received; `next` is after it.
  static let finTaken = ReceiverFlags(rawValue: 1 << 1)
  /// The guest has sent data since data was last sent to it.
  static let guestSpoke = ReceiverFlags(rawValue: 1 << 2)
}
