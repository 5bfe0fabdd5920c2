// SPDX-License-Identifier: Apache-2.0
//
// What may go out: new data as far as the windows reach (RFC 9293 §3.8; silly windows RFC 1122 §4.2.3.4),
// what is lost (RFC 6675 §5, RFC 6582), a loss probe (RFC 8985 §7.3). The engine sends it and says so.

extension TCPSender {
  /// What is next.
  enum Decision {
    case send(Int)
    /// All data is out.
    case finished
    /// Part of a segment waits for more.
    case wait
    /// The guest's window, or the congestion window, leaves too little.
    case windowClosed
  }

  /// Bytes under way (RFC 6675 §4, pipe).
  /// - Parameter landed: `SACKScoreboard.landed`; without a scoreboard what the duplicate ACKs tell.
  @inline(__always)
  func pipe(landed: UInt32) -> UInt32 {
    let flight = Sequence32.distance(from: unacknowledged, to: next)
    return flight > landed ? flight &- landed : 0
  }

  /// Bytes that duplicate ACKs say have arrived (RFC 5681 §3.2, steps 3 and 4).
  var landedByDuplicates: UInt32 {
    flags.contains(.inRecovery) ? UInt32(duplicateAcks) &* UInt32(segmentSize) : 0
  }

  /// How much goes out at `next`.
  /// - Parameters:
  ///   - room: what congestion control lets out; `.max` when it does not limit.
  ///   - limit: the longest payload of a frame.
  ///   - moreExpected: the end of the buffer is not the end of what is being written.
  @inline(__always)
  func decide(room: Int, limit: Int, moreExpected: Bool) -> Decision {
    let size = Int(segmentSize)
    let unsent = Int(Sequence32.distance(from: next, to: end))
    if unsent == 0 { return .finished }
    let usable = min(
      Int(Sequence32.distance(from: next, to: unacknowledged &+ window)), room)
    var length = min(unsent, usable, limit)
    let isAll = length == unsent
    if !isAll, length < limit {
      // Cut short by the window: whole segments, unless the window is very small. With
      // nothing in flight it will not grow by itself: what there is of it is used.
      if length >= size {
        length &-= length % size
      } else if usable == 0
        || (usable < Int(largestWindow / 2) && next != unacknowledged)
      {
        return .windowClosed
      }
    } else if isAll, length > size, moreExpected {
      // The rest of a segment waits for what the next read brings.
      length &-= length % size
    } else if isAll, length < size, moreExpected, next != unacknowledged {
      return .wait
    }
    return length == 0 ? .windowClosed : .send(length)
  }

  /// [from, end) went out: sequence numbers, timing (Karn, RFC 6298 §3), the retransmission timer. False when
  /// it had gone out before.
  @inline(__always)
  mutating func sent(from: UInt32, to end: UInt32, _ now: UInt64) -> Bool {
    next = end
    let isNew = Sequence32.less(maximum, end)
    if isNew {
      if from == maximum, !flags.contains(.isTiming) {
        flags.insert(.isTiming)
        timedSequence = from
        timedAt = Self.microseconds(now)
      }
      maximum = end
    } else {
      flags.remove(.isTiming)
    }
    flags.remove(.isProbing)
    // A deadline that was set while nothing was in flight is not the retransmission's.
    if deadline == 0 || from == unacknowledged { arm(now) }
    return isNew
  }

  /// The window is closed or silly. With nothing in flight nobody will wake us: probe.
  mutating func probeLater(_ now: UInt64) {
    guard next == unacknowledged, deadline == 0 || !flags.contains(.isProbing) else { return }
    flags.insert(.isProbing)
    deadline = now &+ timeout
  }

  /// The guest has closed its window over what is under way, and a timeout took it for lost: it is asked for its
  /// window instead of being sent what it has no room for.
  mutating func probeClosedWindow(_ now: UInt64) {
    guard deadline == 0 || !flags.contains(.isProbing) else { return }
    flags.insert(.isProbing)
    flags.remove(.isTailArmed)
    deadline = now &+ timeout
  }

  /// A piece of what was sent before.
  struct Piece {
    var sequence: UInt32
    /// Bytes; 0 for a FIN alone.
    var length: UInt32
    var hasFin = false

    /// Where what comes after it begins.
    var end: UInt32 { sequence &+ length &+ (hasFin ? 1 : 0) }
  }

  /// The last segment (RFC 8985 §7.3); nil when only a FIN is under way.
  var tail: Piece? {
    let length = min(
      Sequence32.distance(from: unacknowledged, to: end), UInt32(segmentSize),
      Sequence32.distance(from: unacknowledged, to: maximum))
    guard length > 0 else { return nil }
    return Piece(
      sequence: Sequence32.min(end, maximum) &- length, length: length,
      hasFin: flags.contains(.finSent))
  }

  /// The first segment, when the guest has closed its window over it (RFC 1122 §4.2.2.16); nil when
  /// everything was acknowledged.
  var first: Piece? {
    let length = min(
      Sequence32.distance(from: unacknowledged, to: Sequence32.min(maximum, end)),
      UInt32(segmentSize))
    return length > 0 ? Piece(sequence: unacknowledged, length: length) : nil
  }

  /// The segment that is known to be missing when the guest reports nothing: the first, once in a recovery or for
  /// each partial acknowledgement (RFC 6582 §3.2); nil when it was sent again.
  var missing: Piece? {
    guard flags.contains(.inRecovery), Sequence32.lessOrEqual(retransmitNext, unacknowledged) else {
      return nil
    }
    return piece(from: unacknowledged, to: Sequence32.min(maximum, recoveryPoint))
  }

  /// A segment of what was sent before, from `start` to `stop` at most; nil when there is none.
  func piece(from start: UInt32, to stop: UInt32) -> Piece? {
    let length = min(
      Sequence32.distance(from: start, to: Sequence32.min(end, stop)), UInt32(segmentSize))
    let hasFin = flags.contains(.finSent) && start &+ length == end && Sequence32.less(end, stop)
    guard length > 0 || hasFin else { return nil }
    return Piece(sequence: start, length: length, hasFin: hasFin)
  }

  /// What a loss probe sends: a new segment if there is one and the guest has room for it, whatever the congestion
  /// window says, else the last one once more; nil when only a FIN is under way.
  var probePiece: (piece: Piece, isNew: Bool)? {
    let unsent = min(
      Sequence32.distance(from: next, to: end), UInt32(segmentSize),
      Sequence32.distance(from: next, to: unacknowledged &+ window))
    if next == maximum, unsent > 0 { return (Piece(sequence: next, length: unsent), true) }
    return tail.map { ($0, false) }
  }
}
