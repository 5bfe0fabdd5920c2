// SPDX-License-Identifier: Apache-2.0
//
// The scoreboard of a connection whose guest supports SACK (RFC 2018). For each piece in flight it has the send time,
// whether it was retransmitted, whether the guest has reported it (RFC 6675 §4) and whether it is lost (RFC 8985 §5.2).
//
// Consecutive segments with the same send time and marks form one run, so that a GSO frame costs as much as a segment.
// There is room for `capacity` runs. When it is short, neighbours with equal marks are merged under the later of their
// times: a loss is then detected later, but nothing is falsely marked as lost. A report without room even so is ignored;
// the guest repeats it.
//
// A scoreboard exists while more than one burst is in flight (the time of a single one is TCPSender.sentAt).

import Wire

/// A trivial type in a Slab of the engine. Functions that read runs are mutating so that they work in place: a copy has
/// more than 1 KiB.
struct SACKScoreboard: BitwiseCopyable {
  static let capacity = 96
  /// Runs that are kept free of reports, for new data and retransmissions.
  private static let reserve = 8
  /// DupThresh (RFC 6675 §2, RFC 5681 §3.2).
  static let duplicateThreshold = 3

  struct Marks: OptionSet, BitwiseCopyable {
    let rawValue: UInt32
    /// Reported by the guest.
    static let sacked = Marks(rawValue: 1 << 0)
    /// Lost, and not retransmitted since.
    static let lost = Marks(rawValue: 1 << 1)
    /// Sent more than once: an ACK does not tell which transmission arrived.
    static let resent = Marks(rawValue: 1 << 2)
  }

  /// A range with one send time. It ends where the next run starts, the last one at `end`.
  struct Run: BitwiseCopyable {
    var start: UInt32
    /// Microseconds of the stack's clock, modulo 2^32.
    var sentAt: UInt32
    var marks: Marks
  }

  private var count = 0
  /// End of the data in flight.
  private(set) var end: UInt32 = 0
  /// Number of bytes reported.
  private(set) var sackedBytes: UInt32 = 0
  /// Number of bytes lost and not retransmitted.
  private(set) var lostBytes: UInt32 = 0
  /// Whether a run had a mark at the last call of `mark`.
  private(set) var isMarked = false
  private var storage = RunStorage()

  /// Starts with one run: all bytes from `unacknowledged` on were sent at the same time.
  mutating func begin(unacknowledged: UInt32, end: UInt32, sentAt: UInt32) {
    count = 1
    self.end = end
    sackedBytes = 0
    lostBytes = 0
    isMarked = false
    withRuns { runs, _ in runs[0] = Run(start: unacknowledged, sentAt: sentAt, marks: []) }
  }

  /// Bytes sent and no longer in flight: reported or lost (excluded by SetPipe, RFC 6675 §4).
  var landed: UInt32 { sackedBytes &+ lostBytes }

  // MARK: Sending

  /// Records that [from, to) was sent; bytes from `end` on are new.
  mutating func sent(from: UInt32, to: UInt32, at time: UInt32, unacknowledged: UInt32) {
    if Sequence32.less(from, end) {
      sentAgain(from: from, to: Sequence32.min(to, end), at: time)
    }
    guard Sequence32.less(end, to) else { return }
    if count == Self.capacity { makeRoom(unacknowledged: unacknowledged) }
    if count == Self.capacity {
      forgetReports()
      makeRoom(unacknowledged: unacknowledged)
    }
    let start = end
    let isSame = withRuns { runs, count in
      count > 0 && runs[count &- 1].sentAt == time && runs[count &- 1].marks.isEmpty
    }
    if count == Self.capacity {
      // No two neighbours have equal marks: the last run counts as retransmitted.
      let last = withRuns { runs, count in runs[count &- 1].start }
      sentAgain(from: last, to: end, at: time)
    } else if !isSame {
      count &+= 1
      withRuns { runs, count in
        runs[count &- 1] = Run(start: start, sentAt: time, marks: [])
      }
    }
    end = to
  }

  /// Records a retransmission of [from, to); reported pieces stay reported.
  mutating func sentAgain(from: UInt32, to: UInt32, at time: UInt32) {
    guard Sequence32.less(from, to) else { return }
    if count &+ 2 > Self.capacity { join() }
    split(at: from)
    split(at: to)
    var changed = -1
    var lost = lostBytes
    let end = end
    withRuns { runs, count in
      for index in 0..<count {
        guard Sequence32.less(runs[index].start, to) else { break }
        let stop = index &+ 1 < count ? runs[index &+ 1].start : end
        guard Sequence32.less(from, stop), !runs[index].marks.contains(.sacked) else { continue }
        // Without room for a boundary the whole run counts as retransmitted.
        if runs[index].marks.contains(.lost) { lost &-= stop &- runs[index].start }
        runs[index].marks = .resent
        runs[index].sentAt = time
        if changed < 0 { changed = index }
      }
    }
    lostBytes = lost
    if changed > 0 { joinSame(at: changed) }
    isMarked = true
  }

  /// The frame that begins at `sequence` did not reach the link.
  /// - Returns: true if everything from `sequence` on is removed and must be sent again as new data; otherwise the frame is
  ///   marked as lost.
  mutating func refused(at sequence: UInt32, segmentSize: UInt32) -> Bool {
    guard Sequence32.less(sequence, end) else { return true }
    let isNew = withRuns { runs, count -> Bool in
      var index = count
      while index > 0 {
        index &-= 1
        guard runs[index].marks.isEmpty else { return false }
        if Sequence32.lessOrEqual(runs[index].start, sequence) { return true }
      }
      return false
    }
    guard isNew else {
      markLost(from: sequence, length: segmentSize)
      return false
    }
    let kept = withRuns { runs, count -> Int in
      var index = count
      while index > 0, Sequence32.lessOrEqual(sequence, runs[index &- 1].start) { index &-= 1 }
      return index
    }
    count = kept
    end = sequence
    return true
  }

  // MARK: What the guest says

  /// Records a SACK block (Update, RFC 6675 §4). Blocks outside of the data in flight are ignored; they are duplicates (RFC
  /// 2883) or invalid.
  /// - Parameter delivered: called for each newly reported piece, with its run and its end.
  @inline(__always)
  mutating func report(
    _ block: SACKBlock, above acknowledged: UInt32, delivered: (Run, UInt32) -> Void
  ) {
    guard Sequence32.less(acknowledged, block.start), Sequence32.less(block.start, block.end),
      Sequence32.lessOrEqual(block.end, end), !isReported(block)
    else { return }
    if count &+ 2 > Self.capacity &- Self.reserve {
      makeRoom(unacknowledged: acknowledged)
      guard count &+ 2 <= Self.capacity &- Self.reserve else { return }
    }
    split(at: block.start)
    split(at: block.end)
    var sacked = sackedBytes
    var lost = lostBytes
    let end = end
    withRuns { runs, count in
      for index in 0..<count where Sequence32.lessOrEqual(block.start, runs[index].start) {
        guard Sequence32.less(runs[index].start, block.end) else { break }
        let run = runs[index]
        guard !run.marks.contains(.sacked) else { continue }
        let stop = index &+ 1 < count ? runs[index &+ 1].start : end
        delivered(run, stop)
        if run.marks.contains(.lost) { lost &-= stop &- run.start }
        sacked &+= stop &- run.start
        runs[index].marks = .sacked
      }
    }
    sackedBytes = sacked
    lostBytes = lost
    joinReported()
    isMarked = true
  }

  /// Records that everything before `acknowledged` has arrived.
  /// - Parameter delivered: as for `report`.
  @inline(__always)
  mutating func acknowledge(_ acknowledged: UInt32, delivered: (Run, UInt32) -> Void) {
    let end = end
    withRuns { runs, count in
      for index in 0..<count {
        guard Sequence32.less(runs[index].start, acknowledged) else { break }
        guard !runs[index].marks.contains(.sacked) else { continue }
        let stop = index &+ 1 < count ? runs[index &+ 1].start : end
        delivered(runs[index], Sequence32.min(stop, acknowledged))
      }
    }
    removeBefore(acknowledged)
  }

  /// Removes everything before `sequence`.
  mutating func removeBefore(_ sequence: UInt32) {
    var sacked = sackedBytes
    var lost = lostBytes
    let end = end
    let kept = withRuns { runs, count -> Int in
      var gone = 0
      while gone < count {
        let run = runs[gone]
        let stop = gone &+ 1 < count ? runs[gone &+ 1].start : end
        guard Sequence32.less(run.start, sequence) else { break }
        let length = Sequence32.min(stop, sequence) &- run.start
        if run.marks.contains(.sacked) { sacked &-= length }
        if run.marks.contains(.lost) { lost &-= length }
        guard Sequence32.lessOrEqual(stop, sequence) else {
          runs[gone].start = sequence
          break
        }
        gone &+= 1
      }
      if gone > 0, gone < count { (runs + gone).moveRuns(count &- gone, to: runs) }
      return count &- gone
    }
    count = kept
    sackedBytes = sacked
    lostBytes = lost
    if Sequence32.less(end, sequence) { self.end = sequence }
  }

  /// The guest has discarded reported data (reneging, RFC 2018 §8): all of it counts as in flight.
  mutating func forgetReports() {
    sackedBytes = 0
    withRuns { runs, count in
      for index in 0..<count { runs[index].marks.remove(.sacked) }
    }
  }

  // MARK: Loss

  /// Visits all runs that are neither reported nor lost.
  /// - Parameter isLost: whether the run, given with its end, is lost.
  @inline(__always)
  mutating func mark(isLost: (Run, UInt32) -> Bool) {
    var lost = lostBytes
    let end = end
    let marks = withRuns { runs, count -> Marks in
      var marks: Marks = []
      for index in 0..<count {
        marks.formUnion(runs[index].marks)
        guard runs[index].marks.isDisjoint(with: [.sacked, .lost]) else { continue }
        let stop = index &+ 1 < count ? runs[index &+ 1].start : end
        if isLost(runs[index], stop) {
          runs[index].marks.insert(.lost)
          lost &+= stop &- runs[index].start
        }
      }
      return marks
    }
    isMarked = !marks.isEmpty || lost != 0
    lostBytes = lost
  }

  /// Marks the first segment that is not reported as lost.
  mutating func markFirstLost(segmentSize: UInt32) {
    let first = withRuns { runs, count -> UInt32? in
      for index in 0..<count where !runs[index].marks.contains(.sacked) { return runs[index].start }
      return nil
    }
    if let first { markLost(from: first, length: segmentSize) }
  }

  /// Marks at most `length` bytes from `sequence` to the end of its run as lost, unless they are reported.
  private mutating func markLost(from sequence: UInt32, length: UInt32) {
    if count &+ 2 > Self.capacity { join() }
    split(at: sequence)
    split(at: sequence &+ length)
    var lost = lostBytes
    let end = end
    withRuns { runs, count in
      for index in 0..<count {
        let stop = index &+ 1 < count ? runs[index &+ 1].start : end
        guard Sequence32.less(sequence, stop) else { continue }
        if runs[index].marks.isDisjoint(with: [.sacked, .lost]) {
          runs[index].marks.insert(.lost)
          lost &+= stop &- runs[index].start
        }
        break
      }
    }
    lostBytes = lost
    isMarked = true
  }

  /// Removes all loss marks: the data is in flight.
  mutating func forgetLosses() {
    lostBytes = 0
    withRuns { runs, count in
      for index in 0..<count { runs[index].marks.remove(.lost) }
    }
  }

  /// The first lost piece that was not retransmitted (NextSeg rule 1, RFC 6675 §4).
  mutating func nextLost() -> (start: UInt32, end: UInt32)? {
    guard lostBytes != 0 else { return nil }
    let end = end
    return withRuns { runs, count in
      for index in 0..<count where runs[index].marks.contains(.lost) {
        return (runs[index].start, index &+ 1 < count ? runs[index &+ 1].start : end)
      }
      return nil
    }
  }

  /// Whether DupThresh segments were reported: DupThresh ranges, or more than (DupThresh - 1) * SMSS bytes (RFC 6675 §4).
  mutating func hasDuplicateThreshold(segmentSize: UInt32) -> Bool {
    if sackedBytes > UInt32(Self.duplicateThreshold &- 1) &* segmentSize { return true }
    guard sackedBytes > 0 else { return false }
    return withRuns { runs, count in
      var ranges = 0
      for index in 0..<count where runs[index].marks.contains(.sacked) { ranges &+= 1 }
      return ranges >= Self.duplicateThreshold
    }
  }

  /// The end of the highest reported range; `fallback` if there is none.
  mutating func highest(or fallback: UInt32) -> UInt32 {
    guard sackedBytes > 0 else { return fallback }
    let end = end
    return withRuns { runs, count in
      var index = count
      while index > 0 {
        index &-= 1
        if runs[index].marks.contains(.sacked) {
          return index &+ 1 < count ? runs[index &+ 1].start : end
        }
      }
      return fallback
    }
  }

  /// The end of the reported range that contains `sequence`; nil if it is not reported.
  mutating func end(ofReportWith sequence: UInt32) -> UInt32? {
    guard sackedBytes > 0 else { return nil }
    let end = end
    return withRuns { runs, count in
      for index in 0..<count {
        let stop = index &+ 1 < count ? runs[index &+ 1].start : end
        guard Sequence32.less(sequence, stop) else { continue }
        let isIn = Sequence32.lessOrEqual(runs[index].start, sequence)
        return isIn && runs[index].marks.contains(.sacked) ? stop : nil
      }
      return nil
    }
  }

  /// Whether the first unacknowledged byte was reported, which means that the guest has discarded it.
  mutating func hasReneged(at unacknowledged: UInt32) -> Bool {
    end(ofReportWith: unacknowledged) != nil
  }

  // MARK: Runs

  private mutating func isReported(_ block: SACKBlock) -> Bool {
    guard let reported = end(ofReportWith: block.start) else { return false }
    return Sequence32.lessOrEqual(block.end, reported)
  }

  /// Splits the run that contains `sequence` there, if there is room.
  private mutating func split(at sequence: UInt32) {
    guard count < Self.capacity, Sequence32.less(sequence, end) else { return }
    let isSplit = withRuns { runs, count -> Bool in
      var index = count
      while index > 0 {
        index &-= 1
        if runs[index].start == sequence { return false }
        guard Sequence32.less(runs[index].start, sequence) else { continue }
        let next = index &+ 1
        if next < count { (runs + next).moveRuns(count &- next, to: runs + (next &+ 1)) }
        runs[next] = runs[index]
        runs[next].start = sequence
        return true
      }
      return false
    }
    if isSplit { count &+= 1 }
  }

  private mutating func makeRoom(unacknowledged: UInt32) {
    removeBefore(unacknowledged)
    if count &+ Self.reserve &+ 2 > Self.capacity { join() }
  }

  /// Merges neighbours with equal marks pairwise, under the later time.
  private mutating func join() {
    join { run, next in run.marks == next.marks }
  }

  /// Merges adjacent reported ranges; their times are not needed any more.
  private mutating func joinReported() {
    let kept = withRuns { runs, count -> Int in
      var kept = 0
      for index in 0..<count {
        if kept > 0, runs[index].marks.contains(.sacked), runs[kept &- 1].marks.contains(.sacked) {
          continue
        }
        runs[kept] = runs[index]
        kept &+= 1
      }
      return kept
    }
    count = kept
  }

  private mutating func join(where mayJoin: (Run, Run) -> Bool) {
    let kept = withRuns { runs, count -> Int in
      var kept = 0
      var index = 0
      while index < count {
        var run = runs[index]
        if index &+ 1 < count, mayJoin(run, runs[index &+ 1]) {
          run.sentAt = Sequence32.max(run.sentAt, runs[index &+ 1].sentAt)
          index &+= 1
        }
        runs[kept] = run
        kept &+= 1
        index &+= 1
      }
      return kept
    }
    count = kept
  }

  /// Merges a run into the one before it if both have the same time and marks.
  private mutating func joinSame(at index: Int) {
    let isJoined = withRuns { runs, count -> Bool in
      guard runs[index].marks == runs[index &- 1].marks,
        runs[index].sentAt == runs[index &- 1].sentAt
      else { return false }
      (runs + (index &+ 1)).moveRuns(count &- index &- 1, to: runs + index)
      return true
    }
    if isJoined { count &-= 1 }
  }

  @inline(__always)
  private mutating func withRuns<Result>(
    _ body: (UnsafeMutablePointer<Run>, Int) -> Result
  ) -> Result {
    let count = count
    return withUnsafeMutableBytes(of: &storage) { bytes in
      // The storage has a fixed size and an alignment of 8, so that it has an address suitable for runs.
      guard let base = bytes.baseAddress else { preconditionFailure("storage without an address") }
      return body(base.bindMemory(to: Run.self, capacity: Self.capacity), count)
    }
  }
}

extension UnsafeMutablePointer<SACKScoreboard.Run> {
  /// Copies `count` runs; source and destination may overlap.
  @inline(__always)
  fileprivate func moveRuns(_ count: Int, to other: UnsafeMutablePointer<SACKScoreboard.Run>) {
    other.update(from: self, count: count)
  }
}

/// Memory of `SACKScoreboard.capacity` runs of twelve bytes.
private struct RunStorage: BitwiseCopyable {
  private struct Part: BitwiseCopyable {
    private var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) =
      (0, 0, 0, 0, 0, 0, 0, 0)
    private var more: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  }

  private var first = (Part(), Part(), Part(), Part())
  private var second = (Part(), Part(), Part(), Part())
  private var third = (Part(), Part(), Part(), Part())
}
