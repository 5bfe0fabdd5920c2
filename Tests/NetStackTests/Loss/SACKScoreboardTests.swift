// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// RFC 6675 §4, function by function.
@Suite(.timeLimit(.minutes(1)))
struct SACKScoreboardTests {
  private func board(_ blocks: (UInt32, UInt32)..., maximum: UInt32 = 20_000) -> SACKScoreboard {
    var board = SACKScoreboard()
    for block in blocks {
      var list = SACKBlocks()
      list.append(SACKBlock(start: block.0, end: block.1))
      board.update(list, unacknowledged: 0, maximum: maximum)
    }
    return board
  }

  @Test func `Update takes what is under way, and nothing else (2883 §4, 2018 §4)`() {
    #expect(board((1000, 2000)).byteCount == 1000)
    // Before and at what was acknowledged, beyond what was sent, the wrong way round, empty.
    #expect(board((0, 1000)).isEmpty)
    #expect(board((1000, 20_001)).isEmpty)
    #expect(board((2000, 1000)).isEmpty)
    #expect(board((2000, 2000)).isEmpty)
    #expect(board((1000, 20_000)).highest(or: 0) == 20_000)
  }

  @Test func `IsLost: three ranges after it, or more than two segments of bytes`() {
    #expect(!board((1000, 3000)).isLost(segmentSize: 1000))
    #expect(board((1000, 3001)).isLost(segmentSize: 1000))
    #expect(!board((1000, 1001), (2000, 2001)).isLost(segmentSize: 1000))
    #expect(board((1000, 1001), (2000, 2001), (3000, 3001)).isLost(segmentSize: 1000))
  }

  @Test func `SetPipe: what arrived is not under way, nor what is lost and was not sent again`() {
    let board = board((1000, 2000), (4000, 6000))
    #expect(board.landed(lostFrom: nil) == 3000)
    // [0, 1000) and [2000, 4000) are lost; what comes after the highest is not known to be.
    #expect(board.landed(lostFrom: 0) == 6000)
    #expect(board.landed(lostFrom: 2000) == 5000)
    #expect(board.landed(lostFrom: 6000) == 3000)
  }

  @Test func `NextSeg: the first hole before what was reported, then none`() {
    let board = board((1000, 2000), (4000, 6000))
    #expect(board.hole(from: 0) == (0, 1000))
    #expect(board.hole(from: 500) == (500, 1000))
    #expect(board.hole(from: 1000) == (2000, 4000))
    #expect(board.hole(from: 1999) == (2000, 4000))
    let last = board.hole(from: 4500)
    #expect(last.start == 6000 && last.end == nil)
  }

  @Test func `what is acknowledged is forgotten`() {
    var board = board((1000, 2000), (4000, 6000))
    board.removeBefore(5000)
    #expect(board.byteCount == 1000 && !board.isEmpty)
    board.removeBefore(6000)
    #expect(board.isEmpty)
  }
}
