// SPDX-License-Identifier: Apache-2.0
//
// A bounded, sorted set of disjoint ranges of sequence numbers: the data that has arrived from the guest out of order (RFC
// 2018 §4). It exists only while data before it is missing.

import Wire

/// Up to `capacity` ranges [start, end), sorted, neither adjacent nor overlapping. Trivial.
struct SequenceRanges: BitwiseCopyable {
  static let capacity = 32

  private(set) var count = 0
  /// Bytes in all ranges.
  private(set) var byteCount: UInt32 = 0
  /// Start of the range that changed last, which is the first SACK block.
  private(set) var latest: UInt32 = 0
  private var storage: InlineRanges = InlineRanges()

  private struct InlineRanges: BitwiseCopyable {
    // 32 ranges of two UInt32 each.
    var words:
      (
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
      ) = (
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
      )
  }

  /// Range number `index`, 0..<count.
  subscript(index: Int) -> SACKBlock {
    withUnsafeBytes(of: storage) {
      SACKBlock(
        start: $0.loadUnaligned(fromByteOffset: index &* 8, as: UInt32.self),
        end: $0.loadUnaligned(fromByteOffset: index &* 8 &+ 4, as: UInt32.self))
    }
  }

  private mutating func set(_ index: Int, _ block: SACKBlock) {
    withUnsafeMutableBytes(of: &storage) {
      $0.storeBytes(of: block.start, toByteOffset: index &* 8, as: UInt32.self)
      $0.storeBytes(of: block.end, toByteOffset: index &* 8 &+ 4, as: UInt32.self)
    }
  }

  /// The end of the last range; `fallback` if there is none.
  func highest(or fallback: UInt32) -> UInt32 { count == 0 ? fallback : self[count - 1].end }

  /// Adds [start, end). False, with no change, if there is no room for another range.
  mutating func insert(start: UInt32, end: UInt32) -> Bool {
    guard Sequence32.less(start, end) else { return true }
    // The ranges that are adjacent to or overlap the new one: first..<last.
    var first = 0
    while first < count, Sequence32.less(self[first].end, start) { first &+= 1 }
    var last = first
    var merged = SACKBlock(start: start, end: end)
    var absorbed: UInt32 = 0
    while last < count, Sequence32.lessOrEqual(self[last].start, merged.end) {
      let old = self[last]
      absorbed &+= old.end &- old.start
      merged.start = Sequence32.min(merged.start, old.start)
      merged.end = Sequence32.max(merged.end, old.end)
      last &+= 1
    }
    if first == last {
      guard count < Self.capacity else { return false }
      var at = count
      while at > first {
        set(at, self[at - 1])
        at &-= 1
      }
      count &+= 1
    } else if last > first &+ 1 {
      let removed = last &- first &- 1
      var at = last
      while at < count {
        set(at &- removed, self[at])
        at &+= 1
      }
      count &-= removed
    }
    set(first, merged)
    byteCount = byteCount &- absorbed &+ (merged.end &- merged.start)
    latest = merged.start
    return true
  }

  /// Removes everything before `sequence`.
  mutating func removeBefore(_ sequence: UInt32) {
    var gone = 0
    while gone < count, Sequence32.lessOrEqual(self[gone].end, sequence) {
      byteCount = byteCount &- (self[gone].end &- self[gone].start)
      gone &+= 1
    }
    if gone > 0 {
      for at in gone..<count { set(at &- gone, self[at]) }
      count &-= gone
    }
    if count > 0, Sequence32.less(self[0].start, sequence) {
      byteCount = byteCount &- (sequence &- self[0].start)
      set(0, SACKBlock(start: sequence, end: self[0].end))
    }
  }

  /// The end of the range that contains `sequence`; nil if none does.
  func end(ofRangeWith sequence: UInt32) -> UInt32? {
    for index in 0..<count {
      let range = self[index]
      if Sequence32.less(sequence, range.start) { return nil }
      if Sequence32.less(sequence, range.end) { return range.end }
    }
    return nil
  }

  /// The start of the first range after `sequence`; nil if there is none.
  func nextStart(after sequence: UInt32) -> UInt32? {
    for index in 0..<count where Sequence32.less(sequence, self[index].start) {
      return self[index].start
    }
    return nil
  }

  /// Number of bytes from `sequence` to the end of the last range that are in no range.
  func gapBytes(from sequence: UInt32) -> UInt32 {
    var at = sequence
    var missing: UInt32 = 0
    for index in 0..<count {
      let range = self[index]
      missing &+= Sequence32.distance(from: at, to: range.start)
      at = Sequence32.max(at, range.end)
    }
    return missing
  }

  /// Up to four blocks for an ACK, the one that changed last first (RFC 2018 §4).
  var sackBlocks: SACKBlocks {
    var blocks = SACKBlocks()
    guard count > 0 else { return blocks }
    var newest = 0
    for index in 0..<count where Sequence32.lessOrEqual(self[index].start, latest) {
      newest = index
    }
    blocks.append(self[newest])
    var index = count
    while index > 0, blocks.count < SACKBlocks.capacity {
      index &-= 1
      if index != newest { blocks.append(self[index]) }
    }
    return blocks
  }
}
