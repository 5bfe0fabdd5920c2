// SPDX-License-Identifier: Apache-2.0
//
// RACK (RFC 8985 §5, §6): a segment is lost if one sent after it has arrived, and more than a round trip plus the
// reordering window has passed since it was sent. The reordering window is 0 until reordering is seen; then it is a quarter
// of the shortest round trip, and more when the guest reports duplicates (RFC 2883).
//
// SACKScoreboard has the segments in flight and their times. Names are those of RFC 8985 §5.3.

/// RACK state. Times in microseconds of the stack's clock, modulo 2^32.
struct RACK: BitwiseCopyable {
  /// RACK.min_RTT: the shortest round trip of a segment that was sent once; 0 before the first sample.
  private(set) var minimumRoundTrip: UInt32 = 0
  /// RACK.rtt: the round trip of the segment that arrived last.
  private(set) var roundTrip: UInt32 = 0
  /// RACK.xmit_ts and RACK.end_seq: of all segments that have arrived, the one sent last.
  private(set) var sentAt: UInt32 = 0
  private(set) var end: UInt32 = 0
  /// RACK.fack: the highest sequence number that has arrived.
  private(set) var forward: UInt32 = 0
  /// RACK.dsack_round: a duplicate was reported; another one counts after this was acknowledged.
  private var duplicateRound: UInt32 = 0
  /// RACK.reo_wnd_mult: quarters of `minimumRoundTrip` in the reordering window.
  private(set) var multiplier: UInt8 = 1
  /// RACK.reo_wnd_persist: the number of loss recoveries after which `multiplier` is 1 again.
  private(set) var persistence: UInt8 = Self.recoveries
  private var flags: Flags = []

  private struct Flags: OptionSet, BitwiseCopyable {
    let rawValue: UInt8
    /// `sentAt` and `end` are valid.
    static let hasArrived = Flags(rawValue: 1 << 0)
    /// The round of `duplicateRound` has not ended.
    static let isInRound = Flags(rawValue: 1 << 1)
    /// RACK.reordering_seen.
    static let reorderingSeen = Flags(rawValue: 1 << 2)
  }

  private static let recoveries: UInt8 = 16

  /// RACK.reordering_seen.
  var reorderingSeen: Bool { flags.contains(.reorderingSeen) }

  /// Starts with no segment in flight retransmitted or reported.
  mutating func begin(unacknowledged: UInt32) {
    flags.remove(.hasArrived)
    forward = unacknowledged
  }

  // MARK: An ACK

  /// Step 1 (§6.2): takes the round trip of a segment that was sent once.
  @inline(__always)
  mutating func sample(microseconds: UInt32) {
    let sample = max(1, microseconds)
    roundTrip = sample
    if minimumRoundTrip == 0 || sample < minimumRoundTrip { minimumRoundTrip = sample }
  }

  /// Steps 2 and 3 (§6.2): a piece in flight was acknowledged or reported.
  /// - Parameters:
  ///   - run: the run that the piece was sent in, with the piece's start.
  ///   - stop: the end of the piece.
  mutating func delivered(_ run: SACKScoreboard.Run, _ stop: UInt32, now: UInt32) {
    let wasResent = run.marks.contains(.resent)
    if !wasResent, Sequence32.less(run.start, forward) { flags.insert(.reorderingSeen) }
    let sample = now &- run.sentAt
    // The ACK is of the first transmission, which had arrived.
    if wasResent, sample < minimumRoundTrip { return }
    roundTrip = sample
    guard
      !flags.contains(.hasArrived) || Self.isSent(run.sentAt, stop, after: self.sentAt, self.end)
    else { return }
    sentAt = run.sentAt
    end = stop
    flags.insert(.hasArrived)
  }

  /// Updates RACK.fack to the highest sequence number that an ACK reports.
  mutating func moveForward(to highest: UInt32) { forward = Sequence32.max(forward, highest) }

  // MARK: Reordering window

  /// Step 4 (§6.2): the guest got something twice; not a loss probe. What was taken for lost had only been late,
  /// which is reordering as much as what step 3 sees.
  mutating func reportedTwice(unacknowledged: UInt32, next: UInt32) {
    flags.insert(.reorderingSeen)
    endRound(unacknowledged)
    guard !flags.contains(.isInRound) else { return }
    flags.insert(.isInRound)
    duplicateRound = next
    if multiplier < .max { multiplier &+= 1 }
    persistence = Self.recoveries
  }

  private mutating func endRound(_ unacknowledged: UInt32) {
    if flags.contains(.isInRound), Sequence32.lessOrEqual(duplicateRound, unacknowledged) {
      flags.remove(.isInRound)
    }
  }

  /// A recovery has ended, of a loss or a timeout.
  mutating func recovered(unacknowledged: UInt32) {
    endRound(unacknowledged)
    persistence = persistence > 0 ? persistence &- 1 : 0
    if persistence == 0 { multiplier = 1 }
  }

  /// RACK.reo_wnd (§6.2).
  /// - Parameters:
  ///   - isRecovering: in recovery after a loss or a timeout.
  ///   - hasThreshold: DupThresh segments were reported.
  ///   - smoothed: SRTT.
  func reorderingWindow(isRecovering: Bool, hasThreshold: Bool, smoothed: UInt32) -> UInt32 {
    if !reorderingSeen, isRecovering || hasThreshold { return 0 }
    let window = UInt64(multiplier) &* UInt64(minimumRoundTrip) / 4
    return UInt32(truncatingIfNeeded: min(window, UInt64(smoothed)))
  }

  // MARK: Loss

  /// Step 5 (§6.2): marks lost segments.
  /// - Returns: microseconds until the next check (§6.3); 0 for none.
  mutating func detectLoss(_ board: inout SACKScoreboard, window: UInt32, now: UInt32) -> UInt32 {
    let (sentAt, end, longest) = (sentAt, end, roundTrip &+ window)
    guard flags.contains(.hasArrived) else {
      board.mark { _, _ in false }
      return 0
    }
    var timeout: UInt32 = 0
    board.mark { run, stop in
      guard Self.isSent(sentAt, end, after: run.sentAt, stop) else { return false }
      let age = now &- run.sentAt
      if age >= longest { return true }
      timeout = max(timeout, longest &- age)
      return false
    }
    return timeout
  }

  /// After a timeout (§6.3) marks the first segment as lost, and all that were sent so long ago that they would have been
  /// acknowledged.
  func markLostAtTimeout(
    _ board: inout SACKScoreboard, window: UInt32, segmentSize: UInt32, now: UInt32
  ) {
    let longest = roundTrip &+ window
    board.mark { run, _ in now &- run.sentAt >= longest }
    board.markFirstLost(segmentSize: segmentSize)
  }

  /// RACK_sent_after (§5.2): of two segments sent at the same time the higher one is the later.
  @inline(__always)
  static func isSent(_ sentAt: UInt32, _ end: UInt32, after other: UInt32, _ otherEnd: UInt32)
    -> Bool
  {
    if sentAt == other { return Sequence32.less(otherEnd, end) }
    return Sequence32.less(other, sentAt)
  }
}
