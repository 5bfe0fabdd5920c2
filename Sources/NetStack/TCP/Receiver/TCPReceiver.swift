// SPDX-License-Identifier: Apache-2.0
//
// The half of a connection from the guest: a value without clock, memory or I/O. It says which bytes of
// a segment are to be kept, when their ACK is due and what window may be offered (RFC 9293 §3.3.1, §3.8.6,
// §3.10.7.4 seventh and eighth).
//
//   hostNext ──pending──► next ──window──► edge
//
// [hostNext, next) was acknowledged to the guest, or will be with this iteration, and the host's kernel has
// not taken it yet.

/// See the head of this file. 32 bytes, all of which a segment with data needs.
struct TCPReceiver: BitwiseCopyable {
  /// RCV.NXT.
  var next: UInt32 = 0
  /// RCV.NXT + RCV.WND: the end of the largest window that was advertised; it never moves back.
  var edge: UInt32 = 0
  /// The first byte the host's kernel has not taken.
  var hostNext: UInt32 = 0
  /// Slot of its bytes in SequenceStore.
  var table: UInt32 = 0
  /// Slot of the SequenceRanges that arrived out of order; 0 when nothing is missing.
  var reassembly: UInt32 = 0
  /// Where the guest's FIN is, if `finSeen`.
  var finSequence: UInt32 = 0
  /// Slices of this batch: places in TCPEngine's list, -1 for none.
  var batchHead: Int16 = -1
  var batchTail: Int16 = -1
  /// The shift of our window field (RFC 7323 §2).
  var windowScale: UInt8 = 0
  /// Segments of this batch that arrived out of order: so many duplicate ACKs are due.
  var duplicatesDue: UInt8 = 0
  /// Exchanges in a row of one segment from the guest and an answer; see `delaysAck`.
  var exchanges: UInt8 = 0
  var flags: ReceiverFlags = []

  /// Exchanges after which an ACK is delayed.
  static let exchangesBeforeDelay: UInt8 = 4

  /// Begins after the guest's SYN.
  mutating func begin(after syn: UInt32) {
    next = syn &+ 1
    edge = syn &+ 1
    hostNext = syn &+ 1
  }

  /// IRS: the sequence number of the guest's SYN, as long as nothing came after it.
  var initialSequence: UInt32 { next &- 1 }

  /// Bytes the host's kernel has not taken, in order.
  @inline(__always)
  var pendingCount: UInt32 { next &- hostNext &- (flags.contains(.finTaken) ? 1 : 0) }

  // MARK: A segment

  /// Where a segment lies (RFC 9293 §3.10.7.4, first).
  enum Place {
    case acceptable
    /// All of it was received: perhaps a keep-alive.
    case old
    /// Beyond the window.
    case beyond
  }

  /// - Parameter length: SEG.LEN, of which a FIN is one.
  @inline(__always)
  func place(of sequence: UInt32, length: UInt32) -> Place {
    let end = sequence &+ length
    let isOutside =
      Sequence32.less(edge, sequence)
      || (length > 0 ? Sequence32.lessOrEqual(end, next) : Sequence32.less(end, next))
    guard isOutside else { return .acceptable }
    return Sequence32.less(sequence, next) ? .old : .beyond
  }

  /// What is to be kept of a segment's text.
  struct Text: Equatable {
    var sequence: UInt32
    /// Bytes to leave out at its start, and bytes to keep after them.
    var skipped: Int
    var count: Int
    /// Nothing is missing before it.
    var isNext: Bool
  }

  /// The part of an acceptable segment that is in the window and was not received before; notes its FIN.
  /// Nil when it contradicts what is known: text after the FIN.
  /// - Parameter highest: the end of what arrived out of order; nil when nothing did.
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
    // A FIN before text that is here already is nonsense, too: the text counts.
    if fin, !flags.contains(.finSeen), Sequence32.lessOrEqual(highest ?? end, end) {
      finSequence = end
      flags.insert(.finSeen)
    }
    return text
  }

  /// What came out of order begins where the received ends, or before: it was received with it.
  mutating func reach(_ end: UInt32) { next = Sequence32.max(next, end) }

  // MARK: The FIN

  /// All before the guest's FIN is here, and the FIN is not acknowledged yet.
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

  /// Whether the ACK of a segment that came in order may wait for the answer (RFC 9293 §3.8.6.3): one segment
  /// at most waits, and only in a flow that has been question and answer for a while. A guest that asks in
  /// two pieces and holds the second back until the first is acknowledged (Nagle) never gets here.
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

  /// New data went to the guest: an answer, if it has spoken.
  @inline(__always)
  mutating func answered() {
    guard flags.contains(.guestSpoke) else { return }
    flags.remove(.guestSpoke)
    if exchanges < Self.exchangesBeforeDelay { exchanges &+= 1 }
  }

  // MARK: The window

  /// The end of the window to be offered now; never before the one offered last, and after it by a
  /// step worth the guest's while (silly windows: RFC 9293 §3.8.6.2.2).
  /// - Parameters:
  ///   - limit: the largest window.
  ///   - outOfOrder: bytes that arrived out of order.
  @inline(__always)
  func windowEdge(limit: UInt32, outOfOrder: UInt32, segmentSize: UInt16) -> UInt32 {
    let used = pendingCount &+ outOfOrder
    let free = used < limit ? limit &- used : 0
    let new = next &+ free
    let step = Sequence32.distance(from: edge, to: new)
    return step >= min(limit / 2, UInt32(segmentSize)) ? new : edge
  }

  /// The window field that offers `edge`, or as much as it can say.
  @inline(__always)
  func windowField(for edge: UInt32) -> UInt16 {
    UInt16(truncatingIfNeeded: min((edge &- next) >> UInt32(windowScale), 65535))
  }

  /// A segment with this window field went out: what is promised holds.
  @inline(__always)
  mutating func advertised(_ field: UInt16) {
    edge = Sequence32.max(edge, next &+ (UInt32(field) << UInt32(windowScale)))
  }
}

/// What is true of the half from the guest.
struct ReceiverFlags: OptionSet, BitwiseCopyable {
  let rawValue: UInt8

  /// A FIN of the guest is known, at `finSequence`.
  static let finSeen = ReceiverFlags(rawValue: 1 << 0)
  /// Everything up to the guest's FIN has arrived; `next` is after it.
  static let finTaken = ReceiverFlags(rawValue: 1 << 1)
  /// The guest sent data since data was last sent to it.
  static let guestSpoke = ReceiverFlags(rawValue: 1 << 2)
}
