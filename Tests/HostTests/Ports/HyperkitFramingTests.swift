// SPDX-License-Identifier: Apache-2.0

import LibC
import Platform
import PluginAPI
import Testing

@testable import Host

/// The stream port with lengths of 2 bytes, little-endian; what does not depend on them is StreamPortTests'.
@Suite("Stream port with HyperKit's framing", .timeLimit(.minutes(5))) struct HyperkitFramingTests {
  let memory = PortMemory()

  static func wire(_ frame: [UInt8]) -> [UInt8] {
    [UInt8(truncatingIfNeeded: frame.count), UInt8(frame.count >> 8)] + frame
  }

  static func unwire(_ bytes: [UInt8]) -> (frames: [[UInt8]], rest: [UInt8]) {
    var frames: [[UInt8]] = []
    var at = 0
    while bytes.count - at >= 2 {
      let length = Int(bytes[at]) | Int(bytes[at + 1]) << 8
      guard bytes.count - at - 2 >= length else { break }
      frames.append(Array(bytes[(at + 2)..<(at + 2 + length)]))
      at += 2 + length
    }
    return (frames, Array(bytes[at...]))
  }

  func make(
    _ fd: Int32, _ inbox: Inbox, journal: StreamJournal? = nil, resumed: Bool = false
  ) -> StreamPort {
    let port = StreamPort(
      PortOptions(id: 1), fd: fd, framing: .hyperkit, journal: journal, resumed: resumed,
      memory: memory)
    inbox.attach(port)
    return port
  }

  @Test("Frames pass both ways, whole and byte by byte")
  func bothWays() throws {
    let inbox = Inbox()
    let (fd, guest) = try socketPair(.stream)
    let port = make(fd, inbox)
    let frames = (0..<300).map { TestPacket.plain(14 + $0 * 5) }
    guest.write(frames[..<200].flatMap(Self.wire))
    while inbox.bytes.count < 200 { port.onReadable() }
    for byte in frames[200..<203].flatMap(Self.wire) {
      guest.write([byte])
      port.onReadable()
    }
    #expect(inbox.bytes == Array(frames[..<203]))
    #expect(port.send(Array(frames[..<40])) == 40)
    #expect(Self.unwire(guest.read() ?? []).frames == frames[..<40].map(padded))
  }

  @Test("A frame that two bytes cannot measure is dropped, and the next one goes out")
  func tooLong() throws {
    let (fd, guest) = try socketPair(.stream)
    let port = make(fd, Inbox())
    let longest = TestPacket.plain(65535)
    #expect(port.send([TestPacket.plain(65536), TestPacket.plain(60)]) == 2)
    #expect(port.counters.txMalformed == 1)
    #expect(Self.unwire(guest.read() ?? []).frames == [TestPacket.plain(60)])
    #expect(port.send([longest]) == 1)
    var received: [UInt8] = []
    while let more = guest.read() {
      received += more
      port.onWritable()
    }
    #expect(Self.unwire(received).frames == [longest])
  }

  @Test("A frame that is too short is read over and counted", arguments: [0, 13])
  func tooShort(_ length: Int) throws {
    let inbox = Inbox()
    let (fd, guest) = try socketPair(.stream)
    let port = make(fd, inbox)
    let frame = Self.wire(TestPacket.plain(60))
    guest.write(frame + [UInt8(length), 0] + [UInt8](repeating: 1, count: length) + frame)
    port.onReadable()
    #expect(inbox.bytes.count == 2)
    #expect(port.end == nil && port.counters.rxRunt == 1)
  }

  @Test("A new process goes on at every byte at which the old one may have stopped")
  func resume() throws {
    let frames = [TestPacket.plain(20), TestPacket.plain(31)]
    let stream = frames.flatMap(Self.wire)
    for cut in 0...stream.count {
      let slot = StreamJournalTests.Slot()
      let (fd, guest) = try socketPair(.stream)
      let host = TestFD(fd)
      let inbox = Inbox()
      var old: StreamPort? = make(try Descriptor.duplicate(fd), inbox, journal: slot.journal)
      guest.write(Array(stream[..<cut]))
      old?.onReadable()
      old = nil  // dies

      let after = Inbox()
      let new = make(
        try Descriptor.duplicate(host.fd), after, journal: slot.journal, resumed: true)
      #expect(new.end == nil)
      let more = TestPacket.plain(44)
      guest.write(Array(stream[cut...]) + Self.wire(more))
      new.onReadable()
      let isLost = (2..<22).contains(cut) || (24..<55).contains(cut)
      let all = inbox.bytes + after.bytes
      #expect(all.last == more, "cut at \(cut)")
      #expect(all.count == (isLost ? 2 : 3), "cut at \(cut)")
    }
  }

  @Test("A half-sent frame is completed, wherever it was cut")
  func complete() throws {
    let frame = TestPacket.plain(40)
    let wire = Self.wire(frame)
    for cut in 1..<wire.count {
      let slot = StreamJournalTests.Slot()
      slot.journal.reset()
      let (fd, guest) = try socketPair(.stream)
      let host = TestFD(fd)
      host.write(Array(wire[..<cut]))
      slot.journal.txEnd(length: UInt32(frame.count), sent: UInt32(cut))
      let port = make(
        try Descriptor.duplicate(host.fd), Inbox(), journal: slot.journal, resumed: true)
      #expect(port.send([TestPacket.plain(60)]) == 1)
      port.onWritable()
      let (frames, rest) = Self.unwire(guest.read() ?? [])
      #expect(rest.isEmpty && frames.count == 2 && frames.last == TestPacket.plain(60))
      #expect(frames.first?.count == frame.count, "cut at \(cut)")
    }
  }
}
