// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// RFC 6675 §4 by function, and the state of each segment of RFC 8985 §5.2.
@Suite(.timeLimit(.minutes(1)))
struct SACKScoreboardTests {
  /// Twenty segments of 1000 bytes, sent at the same time, some of which are reported.
  private func board(_ blocks: (UInt32, UInt32)..., maximum: UInt32 = 20_000) -> SACKScoreboard {
    var board = SACKScoreboard()
    board.begin(unacknowledged: 0, end: maximum, sentAt: 100)
    for block in blocks { report(&board, block.0, block.1) }
    return board
  }

  /// Number of newly reported bytes of a block.
  @discardableResult
  private func report(_ board: inout SACKScoreboard, _ start: UInt32, _ end: UInt32) -> UInt32 {
    var bytes: UInt32 = 0
    board.report(SACKBlock(start: start, end: end), above: 0) { bytes += $1 - $0.start }
    return bytes
  }

  /// The runs as text: start, send time, marks.
  private func runs(_ board: SACKScoreboard) -> [String] {
    var board = board
    var list: [String] = []
    board.acknowledge(board.end) { run, end in
      list.append(
        "\(run.start)-\(end) @\(run.sentAt)\(run.marks.contains(.lost) ? " lost" : "")"
          + (run.marks.contains(.resent) ? " resent" : ""))
    }
    return list
  }

  // MARK: Update

  @Test func `Update takes what is under way, and nothing else (2883 §4, 2018 §4)`() {
    #expect(board((1000, 2000)).sackedBytes == 1000)
    // Before and at what was acknowledged, beyond what was sent, the wrong way round, empty.
    #expect(board((0, 1000)).sackedBytes == 0)
    #expect(board((1000, 20_001)).sackedBytes == 0)
    #expect(board((2000, 1000)).sackedBytes == 0)
    #expect(board((2000, 2000)).sackedBytes == 0)
    var whole = board((1000, 20_000))
    #expect(whole.highest(or: 0) == 20_000)
  }

  @Test func `what was reported once is no news`() {
    var board = board((1000, 3000))
    #expect(report(&board, 1000, 3000) == 0)
    #expect(report(&board, 2000, 5000) == 2000)
    #expect(report(&board, 7000, 9000) == 2000)
    // Across two ranges and what lies between them.
    #expect(report(&board, 1000, 10_000) == 3000)
    #expect(board.sackedBytes == 9000 && board.end(ofReportWith: 1000) == 10_000)
  }

  @Test func `DupThresh: three ranges, or more than two segments of bytes`() {
    func reaches(_ board: SACKScoreboard) -> Bool {
      var board = board
      return board.hasDuplicateThreshold(segmentSize: 1000)
    }
    #expect(!reaches(board()))
    #expect(!reaches(board((1000, 3000))))
    #expect(reaches(board((1000, 3001))))
    #expect(!reaches(board((1000, 1001), (2000, 2001))))
    #expect(reaches(board((1000, 1001), (2000, 2001), (3000, 3001))))
  }

  // MARK: SetPipe and NextSeg

  @Test func `SetPipe: what arrived is not under way, nor what is lost and was not sent again`() {
    var board = board((1000, 2000), (4000, 6000))
    #expect(board.landed == 3000)
    // [0, 1000) and [2000, 4000) are lost.
    board.mark { run, _ in run.start < 4000 }
    #expect(board.lostBytes == 3000 && board.landed == 6000)
    board.sentAgain(from: 0, to: 1000, at: 200)
    #expect(board.landed == 5000)
    // It arrives, and what is lost arrives after all.
    #expect(report(&board, 2000, 3000) == 1000)
    #expect(board.sackedBytes == 4000 && board.lostBytes == 1000)
  }

  @Test func `NextSeg: what is lost from the lowest on, and not twice`() {
    var board = board((1000, 2000), (4000, 6000))
    #expect(board.nextLost() == nil)
    board.mark { run, _ in run.start < 4000 }
    #expect(board.nextLost()?.start == 0 && board.nextLost()?.end == 1000)
    board.sentAgain(from: 0, to: 1000, at: 200)
    #expect(board.nextLost()?.start == 2000 && board.nextLost()?.end == 4000)
    board.sentAgain(from: 2000, to: 3000, at: 200)
    #expect(board.nextLost()?.start == 3000)
    board.sentAgain(from: 3000, to: 4000, at: 201)
    #expect(board.nextLost() == nil && board.lostBytes == 0)
  }

  @Test func `what is acknowledged is forgotten, also in the middle of a run`() {
    var board = board((1000, 2000), (4000, 6000))
    board.mark { run, _ in run.start < 4000 }
    board.removeBefore(2500)
    #expect(board.sackedBytes == 2000 && board.lostBytes == 1500)
    board.removeBefore(5000)
    #expect(board.sackedBytes == 1000 && board.lostBytes == 0)
    board.removeBefore(20_000)
    #expect(board.landed == 0 && runs(board) == [])
  }

  // MARK: Times and marks

  @Test func `segments sent together are one run, others have times of their own (8985 §5.2)`() {
    var board = board(maximum: 2000)
    board.sent(from: 2000, to: 3000, at: 100, unacknowledged: 0)
    board.sent(from: 3000, to: 4000, at: 150, unacknowledged: 0)
    board.sent(from: 4000, to: 9000, at: 150, unacknowledged: 0)
    #expect(runs(board) == ["0-3000 @100", "3000-9000 @150"])
    board.sentAgain(from: 1000, to: 2000, at: 300)
    #expect(
      runs(board) == ["0-1000 @100", "1000-2000 @300 resent", "2000-3000 @100", "3000-9000 @150"])
    // The next one of the same burst joins it.
    board.sentAgain(from: 2000, to: 3000, at: 300)
    #expect(runs(board) == ["0-1000 @100", "1000-3000 @300 resent", "3000-9000 @150"])
  }

  @Test func `what did not reach the link is as if never sent, or lost if it had been sent before`()
  {
    var board = board(maximum: 2000)
    board.sent(from: 2000, to: 6000, at: 150, unacknowledged: 0)
    #expect(board.refused(at: 4000, segmentSize: 1000) == true)
    #expect(board.end == 4000 && runs(board) == ["0-2000 @100", "2000-4000 @150"])
    #expect(board.refused(at: 1000, segmentSize: 1000) == true)
    #expect(runs(board) == ["0-1000 @100"])
    board.sent(from: 1000, to: 6000, at: 200, unacknowledged: 0)
    board.sentAgain(from: 0, to: 1000, at: 300)
    #expect(board.refused(at: 0, segmentSize: 1000) == false)
    #expect(board.nextLost()?.start == 0 && board.lostBytes == 1000)
    // New data behind it may be taken back all the same.
    #expect(board.refused(at: 3000, segmentSize: 1000) && board.end == 3000)
  }

  @Test func `a report is forgotten when the guest has thrown it away (2018 §8)`() {
    var board = board((1000, 2000))
    #expect(board.hasReneged(at: 0) == false)
    board.removeBefore(1000)
    #expect(board.hasReneged(at: 1000) == true)
    board.forgetReports()
    #expect(board.sackedBytes == 0 && runs(board) == ["1000-2000 @100", "2000-20000 @100"])
  }

  // MARK: Bounds

  @Test func `when runs are short neighbours take the later time, and reports are left out`() {
    var board = board(maximum: 1000)
    for index in 1..<1000 as Range<UInt32> {
      board.sent(
        from: index * 1000, to: index * 1000 + 1000, at: 100 + index, unacknowledged: 0)
    }
    #expect(board.end == 1_000_000)
    // No run says that a byte was sent before it was.
    var at: UInt32 = 0
    board.mark { run, end in
      #expect(run.start == at && run.sentAt >= 100 + (end - 1) / 1000)
      at = end
      return false
    }
    #expect(at == 1_000_000)
    // Every second segment is reported, for as many as there is room.
    for index in 0..<500 as Range<UInt32> {
      report(&board, index * 2000 + 1000, index * 2000 + 2000)
    }
    #expect(board.sackedBytes >= 40_000 && board.sackedBytes < 500_000)
    // What is sent next, or again, still finds room.
    board.sent(from: 1_000_000, to: 1_001_000, at: 5000, unacknowledged: 0)
    #expect(board.end == 1_001_000)
    board.markFirstLost(segmentSize: 1000)
    #expect(board.nextLost()?.start == 0 && board.lostBytes == 1000)
    board.sentAgain(from: 0, to: 1000, at: 5000)
    #expect(board.lostBytes == 0)
  }

  /// The same against a model with a byte of state for each segment.
  @Test(arguments: Array(1...30) as [UInt64])
  func `counts are those of a list of segments, across the wrap of sequence numbers`(seed: UInt64) {
    var random = RandomSource(seed: seed)
    let origin = UInt32(truncatingIfNeeded: random.next()) | 0xFFFF_FE00
    var board = SACKScoreboard()
    board.begin(unacknowledged: origin, end: origin &+ 10, sentAt: 1)
    var states = [UInt8](repeating: 0, count: 10)
    var low = 0
    for time in 2..<400 as Range<UInt32> {
      let span = states.count - low
      let from = low + Int(random.next() % UInt64(span + 1))
      let to = min(states.count, from + Int(random.next() % 12))
      let (start, end) = (origin &+ UInt32(from), origin &+ UInt32(to))
      switch random.next() % 7 {
      case 0:
        board.sent(
          from: board.end, to: board.end &+ 7, at: time, unacknowledged: origin &+ UInt32(low))
        states += [UInt8](repeating: 0, count: 7)
      case 1, 2:
        guard from > low, to > from else { continue }
        let before = board.sackedBytes
        board.report(SACKBlock(start: start, end: end), above: origin &+ UInt32(low)) { _, _ in }
        // Without room nothing changes.
        if board.sackedBytes == before { continue }
        for index in from..<to { states[index] = 1 }
      case 3:
        board.sentAgain(from: start, to: end, at: time)
        for index in from..<max(from, to) where states[index] == 2 { states[index] = 0 }
      case 4:
        board.mark { run, stop in
          guard Sequence32.lessOrEqual(start, run.start), Sequence32.lessOrEqual(stop, end) else {
            return false
          }
          for index in Int(run.start &- origin)..<Int(stop &- origin) { states[index] = 2 }
          return true
        }
      case 5:
        low = from
        board.removeBefore(start)
      default:
        guard random.next() % 20 == 0 else { continue }
        board.forgetLosses()
        for index in states.indices where states[index] == 2 { states[index] = 0 }
      }
      #expect(Int(board.sackedBytes) == states[low...].count { $0 == 1 })
      #expect(Int(board.lostBytes) == states[low...].count { $0 == 2 })
      let first = states[low...].firstIndex(of: 2).map { origin &+ UInt32($0) }
      #expect(board.nextLost()?.start == first)
    }
  }
}
