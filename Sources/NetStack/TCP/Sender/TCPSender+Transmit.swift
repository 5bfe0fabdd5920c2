// SPDX-License-Identifier: Apache-2.0
//
// Selects what to send: new data as the windows allow (RFC 9293 §3.8; silly window syndrome: RFC 1122 §4.2.3.4),
// retransmissions (RFC 6675 §5, RFC 6582) and loss probes (RFC 8985 §7.3). The engine sends it and reports it with `sent`.

extension TCPSender {
  /// What to do at `next`.
  enum Decision {
    case send(Int)
    /// All data is sent.
    case finished
    /// Less than a segment is left; it waits for more data.
    case wait
    /// The guest's window or the congestion window has too little room.
    case windowClosed
  }

  /// Number of bytes in flight (RFC 6675 §4, pipe).
  /// - Parameter landed: `SACKScoreboard.landed`; without a scoreboard `landedByDuplicates`.
  @inline(__always)
  func pipe(landed: UInt32) -> UInt32 {
    let flight = Sequence32.distance(from: unacknowledged, to: next)
    return flight > landed ? flight &- landed : 0
  }

  /// Number of bytes that have arrived according to duplicate ACKs (RFC 5681 §3.2, steps 3 and 4).
  var landedByDuplicates: UInt32 {
    flags.contains(.inRecovery) ? UInt32(duplicateAcks) &* UInt32(segmentSize) : 0
  }

  /// How many bytes to send at `next`.
  /// - Parameters:
  ///   - room: bytes that congestion control allows; `.max` if it does not limit.
  ///   - limit: maximum payload of a frame.
  ///   - moreExpected: more data will follow the end of the buffer soon.
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
      // Limited by the window: whole segments, unless the window is very small. With nothing in flight no ACK will open it
      // further: it is used as it is.
      if length >= size {
        length &-= length % size
      } else if usable == 0
        || (usable < Int(largestWindow / 2) && next != unacknowledged)
      {
        return .windowClosed
      }
    } else if isAll, length > size, moreExpected {
      // The rest of a segment waits for the next read.
      length &-= length % size
    } else if isAll, length < size, moreExpected, next != unacknowledged {
      return .wait
    }
    return length == 0 ? .windowClosed : .send(length)
  }

  /// Records that [from, end) was sent: sequence numbers, round-trip timing (Karn's algorithm, RFC 6298 §3) and the
  /// retransmission timer. False if it had been sent before.
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
    // A deadline that was set with nothing in flight is not the retransmission timer's.
    if deadline == 0 || from == unacknowledged { arm(now) }
    return isNew
  }

  /// The window is closed or too small. With nothing in flight no ACK will follow: schedules a probe.
  mutating func probeLater(_ now: UInt64) {
    guard next == unacknowledged, deadline == 0 || !flags.contains(.isProbing) else { return }
    flags.insert(.isProbing)
    deadline = now &+ timeout
  }

  /// The guest closed its window over data in flight, and a timeout marked that data as lost: schedules a probe of the
  /// window instead of a retransmission that the guest has no room for.
  mutating func probeClosedWindow(_ now: UInt64) {
    guard deadline == 0 || !flags.contains(.isProbing) else { return }
    flags.insert(.isProbing)
    flags.remove(.isTailArmed)
    deadline = now &+ timeout
  }

  /// A segment of the data that was sent before.
  struct Piece {
    var sequence: UInt32
    /// Bytes; 0 for a FIN alone.
    var length: UInt32
    var hasFin = false

    /// The sequence number after it.
    var end: UInt32 { sequence &+ length &+ (hasFin ? 1 : 0) }
  }

  /// The last segment (RFC 8985 §7.3); nil if only a FIN is in flight.
  var tail: Piece? {
    let length = min(
      Sequence32.distance(from: unacknowledged, to: end), UInt32(segmentSize),
      Sequence32.distance(from: unacknowledged, to: maximum))
    guard length > 0 else { return nil }
    return Piece(
      sequence: Sequence32.min(end, maximum) &- length, length: length,
      hasFin: flags.contains(.finSent))
  }

  /// The first unacknowledged segment, for a window closed over it (RFC 1122 §4.2.2.16); nil if all is acknowledged.
  var first: Piece? {
    let length = min(
      Sequence32.distance(from: unacknowledged, to: Sequence32.min(maximum, end)),
      UInt32(segmentSize))
    return length > 0 ? Piece(sequence: unacknowledged, length: length) : nil
  }

  /// The missing segment of a guest without SACK: the first unacknowledged one, once per recovery and per partial
  /// acknowledgement (RFC 6582 §3.2); nil if it was retransmitted already.
  var missing: Piece? {
    guard flags.contains(.inRecovery), Sequence32.lessOrEqual(retransmitNext, unacknowledged) else {
      return nil
    }
    return piece(from: unacknowledged, to: Sequence32.min(maximum, recoveryPoint))
  }

  /// A segment between `start` and `stop`; nil if there is none.
  func piece(from start: UInt32, to stop: UInt32) -> Piece? {
    let length = min(
      Sequence32.distance(from: start, to: Sequence32.min(end, stop)), UInt32(segmentSize))
    let hasFin = flags.contains(.finSent) && start &+ length == end && Sequence32.less(end, stop)
    guard length > 0 || hasFin else { return nil }
    return Piece(sequence: start, length: length, hasFin: hasFin)
  }

  /// The loss probe's segment: a new one if there is data and the guest's window has room, regardless of the congestion
  /// window; otherwise the last one again; nil if only a FIN is in flight.
  var probePiece: (piece: Piece, isNew: Bool)? {
    let unsent = min(
      Sequence32.distance(from: next, to: end), UInt32(segmentSize),
      Sequence32.distance(from: next, to: unacknowledged &+ window))
    if next == maximum, unsent > 0 { return (Piece(sequence: next, length: unsent), true) }
    return tail.map { ($0, false) }
  }
}
