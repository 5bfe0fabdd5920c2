// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// RFC 8985 §6, step by step. Segments are of 1000 bytes, times in microseconds.
@Suite(.timeLimit(.minutes(1)))
struct RACKTests {
  private static let segment: UInt32 = 1000

  /// Ten segments, each 10 us after the one before from 1000 on, and a shortest round trip of 400 us.
  private func scene() -> (rack: RACK, board: SACKScoreboard) {
    var rack = RACK()
    rack.sample(microseconds: 400)
    rack.begin(unacknowledged: 0)
    var board = SACKScoreboard()
    board.begin(unacknowledged: 0, end: 1000, sentAt: 1000)
    for index in 1..<10 as Range<UInt32> {
      board.sent(
        from: index * 1000, to: index * 1000 + 1000, at: 1000 + index * 10, unacknowledged: 0)
    }
    return (rack, board)
  }

  /// Processes an ACK with a block of segments from..<to.
  private func acknowledge(
    _ rack: inout RACK, _ board: inout SACKScoreboard, _ ack: UInt32 = 0,
    _ block: Range<UInt32>? = nil, now: UInt32
  ) {
    var copy = rack
    board.acknowledge(ack * 1000) { copy.delivered($0, $1, now: now) }
    if let block {
      board.report(
        SACKBlock(start: block.lowerBound * 1000, end: block.upperBound * 1000), above: ack * 1000
      ) { copy.delivered($0, $1, now: now) }
    }
    rack = copy
    rack.moveForward(to: board.highest(or: ack * 1000))
  }

  /// The lost segments.
  private func lost(_ board: SACKScoreboard) -> [UInt32] {
    var board = board
    var list: [UInt32] = []
    board.acknowledge(board.end) { run, stop in
      guard run.marks.contains(.lost) else { return }
      list += stride(from: run.start / 1000, to: stop / 1000, by: 1)
    }
    return list
  }

  // MARK: §6.2, step 1 and 2

  @Test func `step 1: the shortest round trip is kept, and never nothing`() {
    var rack = RACK()
    rack.sample(microseconds: 700)
    rack.sample(microseconds: 300)
    rack.sample(microseconds: 900)
    #expect(rack.minimumRoundTrip == 300 && rack.roundTrip == 900)
    rack.sample(microseconds: 0)
    #expect(rack.minimumRoundTrip == 1)
  }

  @Test func `step 2: of all that arrived what was sent last counts, whichever way it is said`() {
    var (rack, board) = scene()
    acknowledge(&rack, &board, 2, 5..<6, now: 1450)
    #expect(rack.sentAt == 1050 && rack.end == 6000 && rack.roundTrip == 400)
    acknowledge(&rack, &board, 2, 3..<4, now: 1470)
    #expect(rack.sentAt == 1050 && rack.end == 6000 && rack.roundTrip == 440)
  }

  @Test func `step 2: of segments sent at one time the higher is the later (RACK_sent_after)`() {
    #expect(RACK.isSent(10, 2000, after: 10, 1000))
    #expect(!RACK.isSent(10, 1000, after: 10, 1000))
    #expect(RACK.isSent(11, 1000, after: 10, 2000))
    #expect(RACK.isSent(5, 1000, after: UInt32.max - 5, 2000))
  }

  @Test func `step 2: an ACK that is too early for a retransmission is the first one's`() {
    var (rack, board) = scene()
    board.sentAgain(from: 0, to: 1000, at: 1500)
    acknowledge(&rack, &board, 1, now: 1600)
    #expect(rack.sentAt == 0)
    // After a shortest round trip it may be the retransmission's.
    board.sentAgain(from: 1000, to: 2000, at: 1500)
    acknowledge(&rack, &board, 2, now: 1900)
    #expect(rack.sentAt == 1500 && rack.roundTrip == 400)
  }

  // MARK: Step 3

  @Test func `step 3: a segment that arrives behind a higher one was reordered`() {
    var (rack, board) = scene()
    acknowledge(&rack, &board, 0, 3..<5, now: 1450)
    #expect(!rack.reorderingSeen)
    acknowledge(&rack, &board, 0, 2..<3, now: 1460)
    #expect(rack.reorderingSeen)
  }

  @Test func `step 3: not one that was sent again, nor blocks that one ACK lists from the newest`()
  {
    var (rack, board) = scene()
    acknowledge(&rack, &board, 0, 3..<5, now: 1450)
    board.sentAgain(from: 0, to: 1000, at: 1460)
    acknowledge(&rack, &board, 1, now: 1900)
    #expect(!rack.reorderingSeen)
    (rack, board) = scene()
    var copy = rack
    for block in [(7, 8), (3, 4)] as [(UInt32, UInt32)] {
      board.report(SACKBlock(start: block.0 * 1000, end: block.1 * 1000), above: 0) {
        copy.delivered($0, $1, now: 1500)
      }
    }
    #expect(!copy.reorderingSeen)
  }

  // MARK: Step 4

  @Test func `step 4: without reordering there is no window in recovery, nor at DupThresh`() {
    let rack = scene().rack
    func window(_ isRecovering: Bool, _ hasThreshold: Bool) -> UInt32 {
      rack.reorderingWindow(
        isRecovering: isRecovering, hasThreshold: hasThreshold, smoothed: 500)
    }
    #expect(window(false, false) == 100)
    #expect(window(true, false) == 0 && window(false, true) == 0)
  }

  @Test func `step 4: with reordering it is a quarter of the shortest round trip, always`() {
    var (rack, board) = scene()
    acknowledge(&rack, &board, 0, 3..<5, now: 1450)
    acknowledge(&rack, &board, 0, 2..<3, now: 1460)
    #expect(rack.reorderingWindow(isRecovering: true, hasThreshold: true, smoothed: 500) == 100)
  }

  @Test func `step 4: a duplicate SACK a round widens it, up to the smoothed round trip (2883)`() {
    var rack = scene().rack
    func window() -> UInt32 {
      rack.reorderingWindow(isRecovering: false, hasThreshold: false, smoothed: 350)
    }
    rack.reportedTwice(unacknowledged: 0, next: 10_000)
    #expect(rack.multiplier == 2 && window() == 200)
    // In the same round it is no news.
    rack.reportedTwice(unacknowledged: 9999, next: 20_000)
    #expect(rack.multiplier == 2)
    rack.reportedTwice(unacknowledged: 10_000, next: 20_000)
    rack.reportedTwice(unacknowledged: 20_000, next: 30_000)
    #expect(rack.multiplier == 4 && window() == 350)
  }

  @Test func `step 4: sixteen recoveries without a duplicate SACK narrow it again`() {
    var rack = scene().rack
    rack.reportedTwice(unacknowledged: 0, next: 10_000)
    for count in 1...15 as ClosedRange<UInt32> { rack.recovered(unacknowledged: count * 20_000) }
    #expect(rack.multiplier == 2)
    rack.recovered(unacknowledged: 400_000)
    #expect(rack.multiplier == 1)
  }

  @Test func `step 4: the multiplier does not wrap`() {
    var rack = scene().rack
    for round in 1...300 as ClosedRange<UInt32> {
      rack.reportedTwice(unacknowledged: round * 1000, next: round * 1000 + 500)
    }
    #expect(rack.multiplier == .max)
  }

  // MARK: Step 5 and §6.3

  @Test func `step 5: what was sent before something that arrived is lost after a round trip more`()
  {
    var (rack, board) = scene()
    acknowledge(&rack, &board, 0, 5..<6, now: 1450)
    // The first was sent at 1000: 400 us and a window of 100 later is 1500.
    let later = rack.detectLoss(&board, window: 100, now: 1450)
    #expect(lost(board) == [] && later == 90)
    let last = rack.detectLoss(&board, window: 100, now: 1520)
    #expect(lost(board) == [0, 1, 2] && last == 20)
    #expect(rack.detectLoss(&board, window: 100, now: 1540) == 0)
    // What was sent after it is not.
    #expect(lost(board) == [0, 1, 2, 3, 4])
  }

  @Test func `step 5: nothing is lost while nothing has arrived`() {
    var (rack, board) = scene()
    #expect(rack.detectLoss(&board, window: 0, now: 100_000) == 0)
    #expect(lost(board) == [])
  }

  @Test func `step 5: a retransmission is lost when something that was sent after it arrives (§4)`()
  {
    var (rack, board) = scene()
    acknowledge(&rack, &board, 0, 1..<5, now: 1450)
    _ = rack.detectLoss(&board, window: 0, now: 1450)
    #expect(lost(board) == [0])
    board.sentAgain(from: 0, to: 1000, at: 1450)
    // What was sent before the retransmission says nothing about it.
    acknowledge(&rack, &board, 0, 5..<10, now: 1500)
    #expect(rack.detectLoss(&board, window: 0, now: 2500) == 0 && lost(board) == [])
    board.sent(from: 10_000, to: 11_000, at: 1510, unacknowledged: 0)
    acknowledge(&rack, &board, 0, 10..<11, now: 1910)
    _ = rack.detectLoss(&board, window: 0, now: 1910)
    #expect(lost(board) == [0])
  }

  @Test func `step 5: of one burst what lies below the highest that arrived`() {
    var rack = RACK()
    rack.sample(microseconds: 400)
    var board = SACKScoreboard()
    board.begin(unacknowledged: 0, end: 10_000, sentAt: 1000)
    acknowledge(&rack, &board, 0, 3..<6, now: 1400)
    _ = rack.detectLoss(&board, window: 0, now: 1400)
    #expect(lost(board) == [0, 1, 2])
  }

  @Test func `§6.3: after a timeout the first is lost, and what was sent a round trip before`() {
    var (rack, board) = scene()
    rack.markLostAtTimeout(&board, window: 0, segmentSize: Self.segment, now: 1445)
    #expect(lost(board) == [0, 1, 2, 3, 4])
    (rack, board) = scene()
    board.sentAgain(from: 0, to: 10_000, at: 1400)
    rack.markLostAtTimeout(&board, window: 0, segmentSize: Self.segment, now: 1445)
    #expect(lost(board) == [0])
  }

  // MARK: §9.2.2

  @Test func `an episode begins anew: what arrived long ago is not later than what is sent now`() {
    var (rack, board) = scene()
    acknowledge(&rack, &board, 0, 5..<6, now: 1450)
    rack.begin(unacknowledged: 10_000)
    // More than half of the clock's range later.
    board.begin(unacknowledged: 10_000, end: 20_000, sentAt: 0xA000_0000)
    acknowledge(&rack, &board, 10, 15..<16, now: 0xA000_0190)
    #expect(rack.sentAt == 0xA000_0000 && rack.end == 16_000)
  }
}
