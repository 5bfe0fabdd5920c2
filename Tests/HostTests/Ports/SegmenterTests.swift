// SPDX-License-Identifier: Apache-2.0

import LibC
import PluginAPI
import TestSupport
import Testing

@testable import Host

@Suite("Segmenter", .timeLimit(.minutes(5))) struct SegmenterTests {
  /// All segments of a frame, flat; nil when it is refused.
  static func cut(_ owned: OwnedFrame) -> [[UInt8]]? {
    withUnsafePointer(to: owned.frame) { frame in
      let template = UnsafeMutablePointer<UInt8>.allocate(capacity: Segmenter.headerMax)
      defer { template.deallocate() }
      let shape = frame.shape
      guard shape == .segments || shape == .checksum,
        var segmenter = Segmenter(frame, shape, template: template)
      else { return nil }
      var segments: [[UInt8]] = []
      let header = UnsafeMutablePointer<UInt8>.allocate(capacity: Segmenter.headerMax)
      let pieces = UnsafeMutablePointer<iovec>.allocate(capacity: Segmenter.pieceMax)
      defer {
        header.deallocate()
        pieces.deallocate()
      }
      while !segmenter.isDone {
        let (bytes, used) = segmenter.next(header: header, pieces: pieces)
        #expect(used <= Segmenter.pieceMax)
        var segment = Array(UnsafeBufferPointer(start: header, count: segmenter.headerLength))
        for i in 0..<used {
          segment += Array(
            UnsafeRawBufferPointer(start: pieces[i].iov_base, count: pieces[i].iov_len))
        }
        #expect(segment.count == bytes)
        segments.append(segment)
      }
      return segments
    }
  }

  @Test(
    "A TCP super-frame becomes segments that a receiver accepts",
    arguments: [TestPacket.Family.v4, .v6], [1, 1447, 1448, 1449, 30001, 65000])
  func tcp(family: TestPacket.Family, length: Int) throws {
    var random = SeededGenerator(seed: UInt64(length))
    let payload = random.bytes(length)
    let frame = TestPacket.offloaded(family, payload: payload, gsoSize: 1448, flags: 0x99)
    let segments = try #require(Self.cut(frame))
    #expect(segments.count == (length + 1447) / 1448)
    var joined: [UInt8] = []
    for (i, bytes) in segments.enumerated() {
      let packet = ParsedPacket(bytes)
      #expect(packet.fault == nil)
      #expect(packet.sequence == 0xffff_f000 &+ UInt32(joined.count))
      if family == .v4 { #expect(packet.id == 0xfff0 &+ UInt16(i)) }
      let isLast = i == segments.count - 1
      #expect(packet.flags == 0x10 | (isLast ? 0x09 : 0) | (i == 0 ? 0x80 : 0))
      joined += packet.payload
    }
    #expect(joined == payload)
  }

  @Test("UDP super-frames, VLAN tags and IP options are cut, too", arguments: [false, true])
  func variants(tag: Bool) throws {
    var random = SeededGenerator(seed: 3)
    let payload = random.bytes(10_001)
    for frame in [
      TestPacket.offloaded(.v4, udp: true, payload: payload, gsoSize: 1200, tag: tag),
      TestPacket.offloaded(.v6, udp: true, payload: payload, gsoSize: 1201, tag: tag),
      TestPacket.offloaded(
        .v4, payload: payload, gsoSize: 536, tag: tag, options: 0, ipOptions: 40),
      TestPacket.offloaded(.v6, payload: payload, gsoSize: 33, tag: tag, options: 40),
    ] {
      let packets = try #require(Self.cut(frame)).map { ParsedPacket($0) }
      #expect(packets.allSatisfy { $0.fault == nil })
      #expect(packets.flatMap(\.payload) == payload)
    }
  }

  @Test("Slices of any length give the same segments")
  func slices() throws {
    var random = SeededGenerator(seed: 5)
    let payload = random.bytes(9_999)
    let whole = try #require(Self.cut(TestPacket.offloaded(.v4, payload: payload, gsoSize: 1001)))
    for _ in 0..<200 {
      let cuts = (0..<Int.random(in: 0...63, using: &random)).map { _ in
        Int.random(in: 0...10_065, using: &random)
      }
      let frame = TestPacket.offloaded(.v4, payload: payload, gsoSize: 1001).sliced(at: cuts)
      #expect(Self.cut(frame) == whole)
    }
  }

  @Test("An unfinished checksum is completed", arguments: [TestPacket.Family.v4, .v6])
  func checksum(family: TestPacket.Family) throws {
    var random = SeededGenerator(seed: 7)
    for length in [0, 1, 2, 63, 64, 65, 1459, 65_000] {
      for udp in [false, true] {
        let payload = random.bytes(length)
        let cuts = (0..<5).map { _ in Int.random(in: 0...(length + 60), using: &random) }
        let frame = TestPacket.offloaded(family, udp: udp, payload: payload, gsoSize: 0)
        let segments = try #require(Self.cut(frame.sliced(at: cuts)))
        #expect(segments.count == 1)
        let packet = ParsedPacket(segments[0])
        #expect(packet.fault == nil)
        #expect(packet.payload == payload)
      }
    }
  }

  @Test("A checksum field at an odd place is completed as RFC 1071 says")
  func oddChecksum() throws {
    let bytes = TestPacket.plain(101)
    for offset in [0, 1, 2, 33, 84] {
      let frame = OwnedFrame(bytes, flags: UInt32(LND_FRAME_NEEDS_CSUM))
      frame.frame.csum_start = 15
      frame.frame.csum_offset = UInt16(offset)
      let segment = try #require(Self.cut(frame)?.first)
      let field = 15 + offset
      // The stored value is the complement of the sum of what was there before.
      let sum = ~TestPacket.reference(Array(bytes[15...]))
      #expect(Array(segment[field..<(field + 2)]) == TestPacket.be(sum))
    }
  }

  @Test("Super-frames whose headers contradict them are refused")
  func contradictions() {
    let payload = [UInt8](repeating: 1, count: 4000)
    func broken(_ change: (OwnedFrame, UnsafeMutablePointer<UInt8>) -> Void) -> OwnedFrame {
      let frame = TestPacket.offloaded(.v4, payload: payload, gsoSize: 1000)
      frame.frame.data.map { change(frame, UnsafeMutablePointer(mutating: $0)) }
      return frame
    }
    let frames = [
      broken { frame, _ in frame.frame.gso_size = 0 },
      broken { frame, _ in frame.frame.gso_size = 31 },
      broken { frame, _ in frame.frame.gso_type = 2 },
      broken { frame, _ in frame.frame.gso_type = UInt16(LND_GSO_TCPV6) },
      broken { frame, _ in frame.frame.gso_type = UInt16(LND_GSO_UDP_L4) },
      broken { frame, _ in frame.frame.csum_start = 30 },
      broken { frame, _ in frame.frame.csum_start = 13 },
      broken { frame, _ in frame.frame.csum_start = 65_535 },
      broken { frame, _ in frame.frame.csum_offset = 14 },
      broken { frame, _ in frame.frame.length = 60 },
      broken { _, bytes in bytes[12] = 0x86 },
      broken { _, bytes in bytes[14] = 0x4f },
      broken { _, bytes in bytes[14] = 0x65 },
      broken { _, bytes in bytes[23] = 17 },
      broken { _, bytes in bytes[46] = 0x40 },
    ]
    for (i, frame) in frames.enumerated() { #expect(Self.cut(frame) == nil, "case \(i)") }
  }

  @Test("10,000 random descriptions of frames never trap")
  func garbage() {
    var random = SeededGenerator(seed: 11)
    var accepted = 0
    for round in 0..<10_000 {
      let udp = Bool.random(using: &random)
      let family: TestPacket.Family = Bool.random(using: &random) ? .v4 : .v6
      let length = Int.random(in: 0...300, using: &random)
      let owned = TestPacket.offloaded(
        family, udp: udp, payload: random.bytes(length), gsoSize: 40,
        tag: Bool.random(using: &random))
      let size = Int(owned.frame.length)
      if let data = owned.frame.data.map({ UnsafeMutablePointer(mutating: $0) }) {
        for _ in 0..<Int.random(in: 0...3, using: &random) {
          data[Int.random(in: 0..<min(size, 80), using: &random)] = UInt8.random(
            in: 0...255, using: &random)
        }
      }
      func word() -> UInt16 { UInt16.random(in: 0...UInt16.max, using: &random) }
      switch round % 8 {
      case 0: owned.frame.gso_size = word()
      case 1: owned.frame.csum_start = word() & 127
      case 2: owned.frame.csum_offset = word() & 127
      case 3: owned.frame.gso_type = word() & 7
      case 4: owned.frame.hdr_len = word()
      case 5: owned.frame.length = UInt32.random(in: 0...UInt32(size), using: &random)
      case 6: _ = owned.sliced(at: [Int(word() & 127), Int(word() & 255), Int(word() & 255)])
      default:
        _ = owned.sliced(at: [14, 20])
        owned.frame.length &+= UInt32(word() & 3)
      }
      if Self.cut(owned) != nil { accepted += 1 }
    }
    #expect(accepted > 500)
  }
}
