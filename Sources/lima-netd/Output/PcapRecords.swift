// SPDX-License-Identifier: Apache-2.0
//
// PcapRecords: reassembles a pcap stream that arrives in arbitrary pieces (24 bytes, then for each frame 16 bytes whose
// third word is the length of the data after them, draft-ietf-opsawg-pcap). Its output has complete records only, and joins
// consecutive streams of the same kind, so that the written file is valid whenever it ends. Pure.

struct PcapRecords {
  private(set) var frames = 0
  /// An incomplete header or record.
  private var pending: [UInt8] = []
  private var isBigEndian = false
  /// The header was passed on; those of further streams are not.
  private var hasHeader = false
  private var awaitsHeader = true
  /// An invalid record was received: records after it cannot be found.
  private(set) var isBroken = false

  private static let headerLength = 24
  private static let recordHead = 16
  /// The daemon's limit.
  private static let longest = 262_144

  /// The header and records that these bytes complete.
  mutating func take(_ bytes: some Collection<UInt8>) -> [UInt8] {
    pending += bytes
    var whole: [UInt8] = []
    var at = 0
    while !isBroken, let length = lengthOfNext(at), pending.count - at >= length {
      if awaitsHeader {
        awaitsHeader = false
        if !hasHeader { whole += pending[at..<at + length] }
        hasHeader = true
      } else {
        whole += pending[at..<at + length]
        frames += 1
      }
      at += length
    }
    pending.removeFirst(isBroken ? pending.count : at)
    return whole
  }

  /// The stream has ended, and another one follows.
  mutating func beginAnother() {
    pending = []
    awaitsHeader = true
  }

  /// Nil: not known yet.
  private mutating func lengthOfNext(_ at: Int) -> Int? {
    if awaitsHeader {
      guard pending.count - at >= Self.headerLength else { return nil }
      isBigEndian = pending[at] == 0xa1
      return Self.headerLength
    }
    guard pending.count - at >= Self.recordHead else { return nil }
    let field = pending[at + 8..<at + 12]
    let kept = (isBigEndian ? Array(field) : field.reversed()).reduce(0) { $0 << 8 | Int($1) }
    guard kept <= Self.longest else {
      isBroken = true
      return nil
    }
    return Self.recordHead + kept
  }
}
