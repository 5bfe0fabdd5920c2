// SPDX-License-Identifier: Apache-2.0

import Platform
import PluginAPI
import Testing

@testable import Host

@Suite("Capture", .timeLimit(.minutes(5))) struct CaptureTests {
  /// The records of a pcap stream; nil when it is not one.
  static func parse(_ bytes: [UInt8]) -> [(length: Int, bytes: [UInt8])]? {
    func word(_ at: Int) -> Int {
      (0..<4).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }
    }
    guard bytes.count >= 24, word(0) == 0xa1b2_3c4d, word(4) == 4 << 16 | 2, word(20) == 1 else {
      return nil
    }
    var records: [(Int, [UInt8])] = []
    var at = 24
    while bytes.count - at >= 16 {
      let kept = word(at + 8)
      guard bytes.count - at - 16 >= kept, word(at + 4) < 1_000_000_000 else { return nil }
      records.append((word(at + 12), Array(bytes[(at + 16)..<(at + 16 + kept)])))
      at += 16 + kept
    }
    return at == bytes.count ? records : nil
  }

  @Test("Frames of both directions are recorded, flat and in slices, up to the snap length")
  func records() throws {
    let (fd, reader) = try socketPair(.stream)
    let capture = Capture()
    #expect(!capture.isActive)
    capture.add(id: 1, fd: fd, snapLength: 100)
    #expect(capture.isActive)
    let (portFD, guest) = try socketPair(.stream)
    let port = StreamPort(
      PortOptions(id: 1), fd: portFD, journal: nil, resumed: false, memory: PortMemory())
    port.capture = capture
    guest.write(StreamPortTests.wire(TestPacket.plain(60)))
    port.onReadable()
    let sent = OwnedFrame(TestPacket.plain(150)).sliced(at: [14, 90])
    #expect(port.send([sent, OwnedFrame([1])]) == 2)
    #expect(capture.flush().isEmpty)
    let records = try #require(Self.parse(reader.read() ?? []))
    #expect(records.map(\.length) == [60, 150])
    #expect(
      records.map(\.bytes) == [TestPacket.plain(60), Array(TestPacket.plain(150).prefix(100))])
    #expect(capture.counters(id: 1)?.written == 2)
  }

  @Test("A slow reader loses frames, which are counted, and its stream stays whole")
  func slow() throws {
    let (fd, reader) = try socketPair(.stream)
    let capture = Capture()
    capture.add(id: 4, fd: fd, snapLength: 0)
    let frame = OwnedFrame(TestPacket.plain(1500))
    for _ in 0..<4000 { withExtendedLifetime(frame) { capture.record(&frame.frame, 1) } }
    let counters = try #require(capture.counters(id: 4))
    #expect(counters.lost > 0)
    #expect(counters.written + counters.lost == 4000)
    #expect(capture.isBehind)
    var stream: [UInt8] = []
    while capture.isBehind {
      while let bytes = reader.read() { stream += bytes }
      #expect(capture.flush().isEmpty)
    }
    while let bytes = reader.read() { stream += bytes }
    let records = try #require(Self.parse(stream))
    #expect(UInt64(records.count) == counters.written)
    #expect(capture.remove(id: 4) == counters.lost)
    #expect(capture.remove(id: 4) == nil)
  }

  @Test("A reader that takes a little at a time costs no record a move of all that waits")
  func little() throws {
    let (read, write) = try Descriptor.pipe()
    defer { Descriptor.close(read) }
    let sink = CaptureSink(id: 1, fd: write, snapLength: 0)
    let frame = OwnedFrame(TestPacket.plain(1500))
    var bytes = [UInt8](repeating: 0, count: 4096)
    var taken = 0
    withExtendedLifetime(frame) {
      for count in 0..<20_000 {
        sink.record(&frame.frame, at: 0)
        guard count.isMultiple(of: 4) else { continue }
        // The end of a turn.
        _ = sink.flush()
        taken += max(0, bytes.withUnsafeMutableBytes { readInto(read, $0) })
      }
    }
    #expect(sink.lost > 0 && taken > 4_000_000)
    // Each byte once at most.
    #expect(sink.moved > 0 && sink.moved <= taken + 2 << 20)
  }

  @Test("A reader that goes is noticed and leaves the others alone")
  func gone() throws {
    let (fd, reader) = try socketPair(.stream)
    let (other, second) = try socketPair(.stream)
    let capture = Capture()
    capture.add(id: 1, fd: fd, snapLength: 0)
    capture.add(id: 2, fd: other, snapLength: 0)
    reader.close()
    let frame = OwnedFrame(TestPacket.plain(70))
    withExtendedLifetime(frame) { capture.record(&frame.frame, 1) }
    #expect(capture.flush() == [1])
    #expect(capture.isActive)
    #expect(Self.parse(second.read() ?? [])?.count == 1)
  }

  @Test("A pipe will do, too")
  func pipe() throws {
    let (read, write) = try Descriptor.pipe()
    let capture = Capture()
    capture.add(id: 1, fd: write, snapLength: 0)
    let frame = OwnedFrame(TestPacket.plain(70))
    withExtendedLifetime(frame) { capture.record(&frame.frame, 1) }
    #expect(capture.flush().isEmpty)
    var bytes = [UInt8](repeating: 0, count: 1000)
    let n = bytes.withUnsafeMutableBytes { readInto(read, $0) }
    #expect(Self.parse(Array(bytes.prefix(n)))?.first?.bytes == TestPacket.plain(70))
    Descriptor.close(read)
  }
}
