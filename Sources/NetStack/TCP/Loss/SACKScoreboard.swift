// SPDX-License-Identifier: Apache-2.0
//
// What the guest reported to have beyond its acknowledgement, and what follows from it: what is lost,
// what is still under way, what to send again (RFC 6675). It exists only while the guest reports
// something; without one the sender goes by duplicate ACKs (RFC 6582).

import Wire

/// See the head of this file. Trivial, in a Slab of the engine. Names are those of RFC 6675 §4.
struct SACKScoreboard: BitwiseCopyable {
  private(set) var ranges = SequenceRanges()

  /// DupThresh of RFC 6675 §2, and of RFC 5681 §3.2.
  static let duplicateThreshold = 3

  /// The guest reported nothing, or all of it was acknowledged since.
  var isEmpty: Bool { ranges.count == 0 }

  /// Bytes that were reported.
  var byteCount: UInt32 { ranges.byteCount }

  /// The end of what was reported; `fallback` when nothing was.
  func highest(or fallback: UInt32) -> UInt32 { ranges.highest(or: fallback) }

  /// Takes the blocks of an ACK up (Update). Those outside of what is under way, (unacknowledged, maximum],
  /// are duplicates (RFC 2883) or nonsense, and those for which there is no room come again.
  mutating func update(_ blocks: SACKBlocks, unacknowledged: UInt32, maximum: UInt32) {
    for index in 0..<blocks.count {
      let block = blocks[index]
      guard Sequence32.less(unacknowledged, block.start), Sequence32.less(block.start, block.end),
        Sequence32.lessOrEqual(block.end, maximum)
      else { continue }
      _ = ranges.insert(start: block.start, end: block.end)
    }
  }

  /// Forgets what was acknowledged.
  mutating func removeBefore(_ acknowledged: UInt32) { ranges.removeBefore(acknowledged) }

  /// Whether the first byte that is missing is lost (IsLost): DupThresh ranges arrived after it, or
  /// more than DupThresh - 1 segments' worth of bytes.
  func isLost(segmentSize: UInt32) -> Bool {
    ranges.count >= Self.duplicateThreshold
      || ranges.byteCount > UInt32(Self.duplicateThreshold &- 1) &* segmentSize
  }

  /// Bytes of what was sent that are not under way any more (what SetPipe leaves out): they arrived, or
  /// they are lost and were not sent again.
  /// - Parameter lostFrom: where that which was not sent again begins; nil while nothing is taken for lost.
  func landed(lostFrom: UInt32?) -> UInt32 {
    guard let lostFrom else { return ranges.byteCount }
    return ranges.byteCount &+ ranges.gapBytes(from: lostFrom)
  }

  /// The first byte from `sequence` on that the guest has not reported, and where what it reported after
  /// it begins; nil when it reported nothing after it (NextSeg, rule 1).
  func hole(from sequence: UInt32) -> (start: UInt32, end: UInt32?) {
    let start = ranges.end(ofRangeWith: sequence) ?? sequence
    return (start, ranges.nextStart(after: start))
  }

  /// The end of the range that holds `sequence`; nil when it was not reported.
  func end(ofRangeWith sequence: UInt32) -> UInt32? { ranges.end(ofRangeWith: sequence) }
}
