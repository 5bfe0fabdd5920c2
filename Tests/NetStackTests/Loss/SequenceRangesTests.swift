// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(5)))
struct SequenceRangesTests {
  @Test(arguments: Array(1...30) as [UInt64])
  func `ranges hold what a set of numbers holds, across the wrap of sequence numbers`(seed: UInt64)
  {
    var random = RandomSource(seed: seed)
    let origin = UInt32(truncatingIfNeeded: random.next()) | 0xFFFF_FE00
    var ranges = SequenceRanges()
    var model: Set<UInt32> = []
    var low: UInt32 = 0
    for _ in 0..<400 {
      if random.next() % 6 == 0 {
        low &+= UInt32(random.next() % 20)
        ranges.removeBefore(origin &+ low)
        model = model.filter { $0 >= low }
      } else {
        let start = low &+ UInt32(random.next() % 400)
        let end = start &+ UInt32(random.next() % 30)
        if ranges.insert(start: origin &+ start, end: origin &+ end) {
          for n in start..<end { model.insert(n) }
        } else {
          #expect(ranges.count == SequenceRanges.capacity)
        }
      }
      #expect(Int(ranges.byteCount) == model.count)
      var listed: Set<UInt32> = []
      var last: UInt32?
      for index in 0..<ranges.count {
        let range = ranges[index]
        #expect(Sequence32.less(range.start, range.end))
        if let last { #expect(Sequence32.less(last, range.start)) }
        last = range.end
        for n in (range.start &- origin)..<(range.end &- origin) { listed.insert(n) }
      }
      #expect(listed == model)
    }
  }

  @Test func `the range that changed last is the first SACK block`() {
    var ranges = SequenceRanges()
    for start in [100, 300, 500, 700, 900] as [UInt32] {
      let isKept = ranges.insert(start: start, end: start + 50)
      #expect(isKept)
    }
    let isKept = ranges.insert(start: 350, end: 360)
    #expect(isKept)
    let blocks = ranges.sackBlocks
    #expect(blocks.count == 4)
    #expect(blocks[0] == SACKBlock(start: 300, end: 360))
    #expect(blocks[1] == SACKBlock(start: 900, end: 950))
  }
}
