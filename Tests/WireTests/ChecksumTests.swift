// SPDX-License-Identifier: Apache-2.0
//
// The checksum against a reference that follows RFC 1071 word by word.

import TestSupport
import Testing

@testable import Wire

/// RFC 1071 as it is written: pairs of bytes, high byte first, carries added back.
func referenceSum(_ bytes: [UInt8]) -> UInt16 {
  var sum: UInt32 = 0
  for index in stride(from: 0, to: bytes.count, by: 2) {
    let low = index + 1 < bytes.count ? bytes[index + 1] : 0
    sum += UInt32(bytes[index]) << 8 | UInt32(low)
    sum = (sum & 0xffff) + (sum >> 16)
  }
  return UInt16(sum)
}

@Suite("Checksum", .timeLimit(.minutes(5)))
struct ChecksumTests {
  @Test("the example of RFC 1071 §3 sums to 0xddf2")
  func rfcExample() {
    let bytes: [UInt8] = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]
    bytes.withByteView { #expect(Checksum.of($0) == ~0xddf2) }
  }

  @Test("all lengths at all alignments equal the reference")
  func lengthsAndAlignments() {
    var random = SeededGenerator(seed: 1)
    for length in Array(0..<200) + Array(250..<330) + [1459, 1460] {
      for alignment in 0..<8 {
        let padded = random.bytes(alignment + length)
        let expected = referenceSum(Array(padded[alignment...]))
        padded.withByteView { view in
          #expect(Checksum.of(view.dropFirst(alignment)) == ~expected)
        }
      }
    }
  }

  @Test("large buffers of ones don't lose carries")
  func carries() {
    for length in [65535, 65536, 1 << 20] {
      let bytes = [UInt8](repeating: 0xff, count: length)
      bytes.withByteView { #expect(Checksum.of($0) == ~referenceSum(bytes)) }
    }
  }

  @Test("pieces of any length add up to the whole")
  func splits() {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<2000 {
      let bytes = random.bytes(Int.random(in: 0...300, using: &random))
      bytes.withByteView { view in
        var inPlace = Checksum()
        var combined = Checksum()
        var at = 0
        while at < view.count {
          let length = Int.random(in: 1...min(40, view.count - at), using: &random)
          let piece = view.slice(at: at, count: length)
          inPlace.add(piece)
          var partial = Checksum()
          partial.add(piece)
          combined.add(partial, length: length)
          at += length
        }
        #expect(inPlace.folded == referenceSum(bytes))
        #expect(combined.folded == referenceSum(bytes))
      }
    }
  }

  @Test("the incremental update equals a new sum (RFC 1624)")
  func incremental() {
    var random = SeededGenerator(seed: 3)
    for _ in 0..<2000 {
      var bytes = random.bytes(40)
      let old = bytes.withByteView { Checksum.of($0) }
      let at = Int.random(in: 0..<10, using: &random) * 4
      let (before, after) = (
        bytes.withByteView { $0.uint32(at: at) }, UInt32.random(in: 0...UInt32.max, using: &random)
      )
      for index in 0..<4 {
        bytes[at + index] = UInt8(truncatingIfNeeded: after >> (24 - 8 * index))
      }
      let new = bytes.withByteView { Checksum.of($0) }
      #expect(Checksum.updated(old, from: before, to: after) == new)
      let high = Checksum.updated(
        old, from: UInt16(before >> 16), to: UInt16(after >> 16))
      let both = Checksum.updated(
        high, from: UInt16(truncatingIfNeeded: before), to: UInt16(truncatingIfNeeded: after))
      #expect(both == new)
    }
  }

  @Test("the example of RFC 1624 §4 updates 0xdd2f to 0x0000")
  func rfc1624Example() {
    #expect(Checksum.updated(0xdd2f, from: UInt16(0x5555), to: 0x3285) == 0)
  }

  @Test("the pseudo header of either family is summed as if it were written out")
  func pseudoHeaders() {
    let v4 = Checksum(
      source: IPAddress(192, 168, 5, 15), destination: IPAddress(10, 0, 0, 1),
      protocolNumber: 6, length: 0x1234)
    #expect(v4.folded == referenceSum([192, 168, 5, 15, 10, 0, 0, 1, 0, 6, 0x12, 0x34]))

    let source = IPAddress(high: 0xfd00_1122_3344_5566, low: 0x7788_99aa_bbcc_ddee)
    let v6 = Checksum(
      source: source, destination: .loopbackV6, protocolNumber: 58, length: 0x12345)
    var bytes: [UInt8] = [0xfd, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66]
    bytes += [0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]
    bytes += [UInt8](repeating: 0, count: 15) + [1]
    bytes += [0, 1, 0x23, 0x45, 0, 0, 0, 58]
    #expect(v6.folded == referenceSum(bytes))
  }
}
