// SPDX-License-Identifier: Apache-2.0

import LibC
import Platform
import PluginAPI
import TestSupport
import Testing

@testable import Host

@Suite("Stream journal", .timeLimit(.minutes(5))) struct StreamJournalTests {
  let memory = PortMemory()

  /// A slot as the supervisor keeps it.
  final class Slot {
    let raw = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    init() { raw.initializeMemory(as: UInt8.self, repeating: 0, count: 64) }
    deinit { raw.deallocate() }
    var journal: StreamJournal { StreamJournal(slot: raw) }
  }

  /// A port and the socket's other ends, so that the socket outlives the port.
  func make(_ slot: Slot, _ fd: Int32, resumed: Bool, _ inbox: Inbox) throws -> StreamPort {
    let copy = try Descriptor.duplicate(fd)
    let port = StreamPort(
      PortOptions(id: 7), fd: copy, journal: slot.journal, resumed: resumed, memory: memory)
    inbox.attach(port)
    return port
  }

  @Test("A new process goes on reading at every byte at which the old one may have stopped")
  func receive() throws {
    let frames = [TestPacket.plain(20), TestPacket.plain(31)]
    let stream = frames.flatMap(StreamPortTests.wire)
    for cut in 0...stream.count {
      let slot = Slot()
      let (fd, guest) = try socketPair(.stream)
      let host = TestFD(fd)
      let before = Inbox()
      var old: StreamPort? = try make(slot, host.fd, resumed: false, before)
      guest.write(Array(stream[..<cut]))
      old?.onReadable()
      old = nil  // dies

      let after = Inbox()
      let new = try make(slot, host.fd, resumed: true, after)
      #expect(new.end == nil)
      let more = TestPacket.plain(44)
      guest.write(Array(stream[cut...]) + StreamPortTests.wire(more))
      new.onReadable()
      // The frame that was cut within its bytes is lost; one cut within its length is not.
      let isLost = (5..<24).contains(cut) || (29..<59).contains(cut) || cut == 4 || cut == 28
      let all = before.bytes + after.bytes
      #expect(all.last == more, "cut at \(cut)")
      #expect(all.count == (isLost ? 2 : 3), "cut at \(cut)")
    }
  }

  @Test("A skip longer than one read is carried on, and survives a second death")
  func longSkip() throws {
    let slot = Slot()
    let (fd, guest) = try socketPair(.stream)
    let host = TestFD(fd)
    let stream = StreamPortTests.wire(TestPacket.plain(3000))
    guest.write(Array(stream[..<100]))
    try make(slot, host.fd, resumed: false, Inbox()).onReadable()
    guest.write(Array(stream[100..<200]))
    let second = try make(slot, host.fd, resumed: true, Inbox())
    second.onReadable()
    second.onReadable()
    let inbox = Inbox()
    let third = try make(slot, host.fd, resumed: true, inbox)
    guest.write(Array(stream[200...]) + StreamPortTests.wire(TestPacket.plain(60)))
    third.onReadable()
    #expect(inbox.bytes == [TestPacket.plain(60)])
  }

  @Test("A half-sent frame is completed with zero bytes, wherever it was cut")
  func send() throws {
    // The kernel takes whole messages or nothing below its buffer's size, so the
    // cut is written by hand as a dead process would have left it.
    let frame = TestPacket.plain(40)
    let wire = StreamPortTests.wire(frame)
    for cut in 0..<wire.count {
      let slot = Slot()
      slot.journal.reset()
      let (fd, guest) = try socketPair(.stream)
      let host = TestFD(fd)
      host.write(Array(wire[..<cut]))
      slot.journal.txEnd(length: cut == 0 ? 0 : UInt32(frame.count), sent: UInt32(cut))

      let port = try make(slot, host.fd, resumed: true, Inbox())
      #expect(port.end == nil)
      #expect(port.interest.contains(.write) == (cut > 0))
      if cut % 2 == 0 { port.onWritable() }  // otherwise the next send pushes it out
      let next = TestPacket.plain(60)
      #expect(port.send([next]) == 1)
      port.onWritable()
      let (frames, rest) = StreamPortTests.unwire(guest.read() ?? [])
      #expect(rest.isEmpty)
      #expect(frames.last == next)
      #expect(frames.count == (cut > 0 ? 2 : 1))
      if cut > 4 {
        let kept = cut - 4
        let zeros = [UInt8](repeating: 0, count: frame.count - kept)
        #expect(frames.first == Array(frame.prefix(kept)) + zeros)
      }
      #expect(slot.journal.recover() == StreamJournal.State())
    }
  }

  @Test("What a real short write leaves is completed by the next process")
  func shortWrite() throws {
    var random = SeededGenerator(seed: 9)
    for _ in 0..<25 {
      let slot = Slot()
      let (fd, guest) = try socketPair(.stream)
      let host = TestFD(fd)
      let frames = (0..<20).map { _ in
        TestPacket.plain(Int.random(in: 14...9000, using: &random))
      }
      var port: StreamPort? = try make(slot, host.fd, resumed: false, Inbox())
      _ = Sockets.setOption(host.fd, SOL_SOCKET, SO_SNDBUF, 20_000)
      _ = port?.send(frames)
      var received = guest.read(Int.random(in: 1...30_000, using: &random)) ?? []
      if Bool.random(using: &random) { port?.onWritable() }
      port = nil

      let new = try make(slot, host.fd, resumed: true, Inbox())
      let last = TestPacket.plain(333)
      while new.send([last]) == 0 {
        received += guest.read() ?? []
        new.onWritable()
      }
      while !new.queue.isEmpty {
        received += guest.read() ?? []
        new.onWritable()
      }
      while let more = guest.read() { received += more }
      let (arrived, rest) = StreamPortTests.unwire(received)
      #expect(rest.isEmpty)
      #expect(arrived.last == last)
      // All but one are as they were sent.
      let intact = zip(arrived, frames).prefix { $0 == padded($1) }.count
      #expect(arrived.count - intact <= 2)
    }
  }

  @Test("What a process left in the middle of a call is unknown")
  func busy() throws {
    for direction in 0..<2 {
      let slot = Slot()
      slot.journal.reset()
      if direction == 0 { slot.journal.rxBegin() } else { slot.journal.txBegin() }
      #expect(slot.journal.recover() == nil)
      let (fd, _) = try socketPair(.stream)
      let host = TestFD(fd)
      let port = try make(slot, host.fd, resumed: true, Inbox())
      #expect(port.end == .boundaryUnknown)
    }
  }

  @Test("A slot of random bytes is unknown, or sensible")
  func garbage() {
    var random = SeededGenerator(seed: 10)
    let slot = Slot()
    #expect(slot.journal.recover() == nil)
    for _ in 0..<2000 {
      slot.journal.reset()
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        slot.raw.storeBytes(
          of: UInt8.random(in: 0...255, using: &random),
          toByteOffset: Int.random(in: 0..<28, using: &random), as: UInt8.self)
      }
      guard let state = slot.journal.recover() else { continue }
      #expect(state.skip <= LND_FRAME_MAX)
      #expect(state.headerCount <= 3)
      #expect(state.sendLength <= LND_FRAME_MAX)
    }
  }
}
