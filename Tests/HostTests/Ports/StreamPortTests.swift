// SPDX-License-Identifier: Apache-2.0

import LibC
import Platform
import PluginAPI
import TestSupport
import Testing

@testable import Host

@Suite("Stream port", .timeLimit(.minutes(5))) struct StreamPortTests {
  let memory = PortMemory()
  let inbox = Inbox()

  /// A frame as it is on the wire.
  static func wire(_ frame: [UInt8]) -> [UInt8] { TestPacket.be(UInt32(frame.count)) + frame }

  /// The frames in a stream, and what is left of the last.
  static func unwire(_ bytes: [UInt8]) -> (frames: [[UInt8]], rest: [UInt8]) {
    var frames: [[UInt8]] = []
    var at = 0
    while bytes.count - at >= 4 {
      let length = bytes[at..<(at + 4)].reduce(0) { $0 << 8 | Int($1) }
      guard bytes.count - at - 4 >= length else { break }
      frames.append(Array(bytes[(at + 4)..<(at + 4 + length)]))
      at += 4 + length
    }
    return (frames, Array(bytes[at...]))
  }

  func make(sendBuffer: Int32? = nil, journal: StreamJournal? = nil, resumed: Bool = false) throws
    -> (StreamPort, TestFD)
  {
    let (fd, guest) = try socketPair(.stream)
    let port = StreamPort(
      PortOptions(id: 1), fd: fd, journal: journal, resumed: resumed, memory: memory)
    if let sendBuffer { _ = Sockets.setOption(fd, SOL_SOCKET, SO_SNDBUF, sendBuffer) }
    inbox.attach(port)
    return (port, guest)
  }

  /// Reads on the guest's side, letting the port write, until nothing comes.
  func drain(_ port: StreamPort, _ guest: TestFD) -> [UInt8] {
    var all: [UInt8] = []
    while true {
      if let bytes = guest.read() {
        all += bytes
      } else if port.interest.contains(.write) {
        let before = port.queue.count
        port.onWritable()
        if port.queue.count == before, guest.read(0) == nil, before > 0 { break }
      } else {
        break
      }
    }
    return all
  }

  @Test("Many frames in one read come as one batch, in order")
  func batch() throws {
    let (port, guest) = try make()
    let frames = (0..<40).map { TestPacket.plain(60 + $0 * 31) }
    guest.write(frames.flatMap(Self.wire))
    port.onReadable()
    #expect(inbox.bytes == frames)
    #expect(inbox.batches == [40])
    #expect(port.counters.rxFrames == 40)
    #expect(port.counters.rxBytes == UInt64(frames.map(\.count).reduce(0, +)))
  }

  @Test("More than 256 frames come in batches of 256")
  func batches() throws {
    let (port, guest) = try make()
    let frames = (0..<600).map { TestPacket.plain(14 + $0 % 40) }
    guest.write(frames.flatMap(Self.wire))
    port.onReadable()
    #expect(inbox.bytes == frames)
    #expect(inbox.batches == [256, 256, 88])
  }

  @Test("A read is as long as a batch of the frames seen, two of small ones, from 32 KiB to 1 MiB")
  func readLength() {
    #expect(StreamPort.fill(bytes: 4000 * 64, frames: 4000) == 512 * 64)
    #expect(StreamPort.fill(bytes: 300 * 600, frames: 300) == 256 << 10)
    #expect(StreamPort.fill(bytes: 200 * 1504, frames: 200) == 256 * 1504)
    #expect(StreamPort.fill(bytes: 300_000, frames: 5) == 1 << 20)
  }

  @Test("A stream that comes byte by byte loses nothing")
  func bytewise() throws {
    let (port, guest) = try make()
    let frames = [TestPacket.plain(14), TestPacket.plain(77), TestPacket.plain(300)]
    for byte in frames.flatMap(Self.wire) {
      guest.write([byte])
      port.onReadable()
    }
    #expect(inbox.bytes == frames)
  }

  @Test("Ports read into one buffer, but for those that wait for the rest of a frame")
  func readBuffers() throws {
    let pairs = try (0..<3).map { _ in try make() }
    let frames = (0..<3).map { TestPacket.plain(300 + $0) }
    for ((port, guest), frame) in zip(pairs, frames) {
      guest.write(Array(Self.wire(frame)[..<100]))
      port.onReadable()
    }
    // Whole frames in between, of a port that keeps nothing after them.
    let (other, sender) = try make()
    for i in 0..<3 {
      sender.write(Self.wire(TestPacket.plain(1000 + i)))
      other.onReadable()
    }
    #expect(memory.streams.idle.count == 1)
    inbox.frames.removeAll()
    for ((port, guest), frame) in zip(pairs, frames) {
      guest.write(Array(Self.wire(frame)[100...]))
      port.onReadable()
    }
    #expect(inbox.bytes == frames)
    #expect(memory.streams.idle.count == 4)
  }

  @Test("The largest frame passes; a length that is none ends the port, but not what came before")
  func largest() throws {
    let (port, guest) = try make()
    let frame = TestPacket.plain(Int(LND_FRAME_MAX))
    guest.write(Self.wire(frame))
    port.onReadable()
    #expect(inbox.bytes == [frame])
    guest.write(Self.wire(TestPacket.plain(99)) + TestPacket.be(UInt32(69_633)))
    port.onReadable()
    #expect(inbox.frames.count == 2)
    #expect(port.end == .badLength(69_633))
    #expect(inbox.ended == [1])
  }

  @Test(
    "Frames that are too short or too long are read over and counted, however they come",
    arguments: [1, 7, 100_000])
  func readOver(step: Int) throws {
    let (port, guest) = try make()
    let good = [TestPacket.plain(60), TestPacket.plain(1514)]
    let lengths = [0, 1, 3, 13, 65_554, 69_632]
    let stream = lengths.flatMap { length in
      Self.wire([UInt8](repeating: 0xaa, count: length)) + Self.wire(good[0])
    }
    // Byte by byte through the short ones, in large steps through the long ones.
    var at = 0
    while at < stream.count {
      let next = min(stream.count, at + (at < 400 ? step : 30_000))
      guest.write(Array(stream[at..<next]))
      port.onReadable()
      at = next
    }
    guest.write(Self.wire(good[1]))
    port.onReadable()
    #expect(port.end == nil)
    #expect(inbox.bytes == [[UInt8]](repeating: good[0], count: 6) + [good[1]])
    #expect(port.counters.rxRunt == 4 && port.counters.rxOversize == 2)
  }

  @Test("Lengths that no frame has end the port", arguments: [69_633, 0x1000_0000, 0xffff_ffff])
  func badLength(length: UInt32) throws {
    let (port, guest) = try make()
    guest.write(TestPacket.be(length))
    port.onReadable()
    #expect(port.end == .badLength(length))
    #expect(port.interest == [])
    #expect(port.send([TestPacket.plain(60)]) == 1)
    #expect(port.counters.txEnded == 1)
  }

  @Test("A guest that closes ends its port, also with half a frame sent")
  func closed() throws {
    let (port, guest) = try make()
    guest.write([0, 0, 0, 90, 1, 2, 3])
    port.onReadable()
    #expect(port.end == nil)
    guest.close()
    port.onReadable()
    #expect(port.end == .closed)
    #expect(inbox.ended == [1])
  }

  @Test("Random bytes end the port or are frames, and nothing traps")
  func garbage() throws {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<300 {
      let (port, guest) = try make()
      for _ in 0..<5 where port.end == nil {
        var bytes = random.bytes(Int.random(in: 1...400, using: &random))
        if Bool.random(using: &random) {
          bytes = Self.wire(TestPacket.plain(Int.random(in: 14...200, using: &random))) + bytes
        }
        guest.write(bytes)
        port.onReadable()
      }
      #expect(inbox.bytes.allSatisfy { $0.count >= 14 && $0.count <= Int(LND_FRAME_MAX) })
    }
  }

  @Test(
    "Small frames sent together leave when all are there, in order, without a wait for the loop")
  func together() throws {
    let (port, guest) = try make()
    let frames = (0..<100).map { TestPacket.plain(60 + $0) }
    memory.together {
      for frame in frames { #expect(port.send([frame]) == 1) }
      #expect(guest.read() == nil)
    }
    #expect(port.interest == .read)
    #expect(guest.read() == frames.flatMap(Self.wire))
    #expect(port.counters.txFrames == 100)
    #expect(port.send([frames[0]]) == 1)
    #expect(guest.read() == Self.wire(frames[0]))
  }

  @Test("A large frame among small ones sent together takes them along, and is not refused")
  func largeAmongTogether() throws {
    let (port, guest) = try make()
    let frames = [100, 5000, 80, 90, 3000].map { TestPacket.plain($0) }
    memory.together {
      for frame in frames { #expect(port.send([frame]) == 1) }
    }
    #expect(guest.read() == frames.flatMap(Self.wire))
    #expect(port.interest == .read && inbox.readies.isEmpty)
  }

  @Test("What is sent together to a guest that does not read waits, and is refused at the bound")
  func togetherWhenFull() throws {
    let (port, guest) = try make(sendBuffer: 4096)
    let frames = (0..<1000).map { TestPacket.plain(400 + $0 % 100) }
    var taken = 0
    memory.together {
      for frame in frames { taken += port.send([frame]) }
    }
    #expect(taken < frames.count)
    #expect(port.queue.count <= SendQueue.limit + 504)
    #expect(port.interest == [.read, .write])
    #expect(drain(port, guest) == frames.prefix(taken).flatMap(Self.wire))
    #expect(inbox.readies == [port.handle])
  }

  @Test("A guest that is gone ends the port of what was sent together")
  func togetherWhenGone() throws {
    let (port, guest) = try make()
    memory.together {
      #expect(port.send([TestPacket.plain(60)]) == 1)
      guest.close()
    }
    #expect(port.end == .closed && inbox.ended == [1])
  }

  @Test("A batch is sent in order, flat and in slices")
  func send() throws {
    let (port, guest) = try make()
    let frames = (0..<100).map { TestPacket.plain(60 + $0) }
    let owned = frames.enumerated().map { i, bytes in
      i % 2 == 0 ? OwnedFrame(bytes) : OwnedFrame(bytes).sliced(at: [14, 20, 20, 54])
    }
    #expect(port.send(owned) == 100)
    #expect(Self.unwire(guest.read() ?? []).frames == frames)
    #expect(port.counters.txFrames == 100)
  }

  @Test("More frames than one sendmsg takes all arrive")
  func manyPieces() throws {
    let (port, guest) = try make()
    let frames = (0..<2500).map { TestPacket.plain(14 + $0 % 7) }
    #expect(port.send(frames) == 2500)
    #expect(Self.unwire(drain(port, guest)).frames == frames.map(padded))
  }

  @Test("Super-frames arrive as segments")
  func superFrames() throws {
    let (port, guest) = try make()
    var random = SeededGenerator(seed: 2)
    let payload = random.bytes(60_000)
    let frame = TestPacket.offloaded(.v4, payload: payload, gsoSize: 100).sliced(at: [66, 5000])
    #expect(port.send([frame]) == 1)
    let packets = Self.unwire(drain(port, guest)).frames.map { ParsedPacket($0) }
    #expect(packets.count == 600)
    #expect(packets.allSatisfy { $0.fault == nil })
    #expect(packets.flatMap(\.payload) == payload)
    #expect(port.counters.txSegmented == 1)
  }

  @Test("Malformed frames are taken, dropped and counted; the others pass")
  func malformed() throws {
    let (port, guest) = try make()
    let good = OwnedFrame(TestPacket.plain(80))
    let short = OwnedFrame(Array(TestPacket.plain(14).dropLast()))
    let none = OwnedFrame(TestPacket.plain(80))
    none.frame.data = nil
    let long = OwnedFrame(TestPacket.plain(80))
    long.frame.length = UInt32(LND_FRAME_MAX + 1)
    let slices = OwnedFrame(TestPacket.plain(80)).sliced(at: [20])
    slices.frame.length = 81
    let offload = TestPacket.offloaded(.v4, payload: [1, 2, 3], gsoSize: 100)
    offload.frame.csum_start = 60_000
    #expect(port.send([short, good, none, long, slices, offload, good]) == 7)
    #expect(Self.unwire(guest.read() ?? []).frames.count == 2)
    #expect(port.counters.txMalformed == 5)
    #expect(port.counters.txFrames == 2)
    #expect(port.counters.txBytes == 160)
  }

  @Test("A full guest makes the sender wait, and every byte arrives in order")
  func backPressure() throws {
    var random = SeededGenerator(seed: 4)
    for round in 0..<8 {
      inbox.readies = []
      let (port, guest) = try make(sendBuffer: Int32(round % 2 == 0 ? 1 : 30_000))
      var sent: [[UInt8]] = []
      var received: [UInt8] = []
      var waiting: [[UInt8]] = []
      for _ in 0..<60 {
        if waiting.isEmpty {
          waiting = (0..<Int.random(in: 1...30, using: &random)).map { _ in
            TestPacket.plain(Int.random(in: 14...9000, using: &random))
          }
        }
        let taken = port.send(waiting)
        sent += waiting.prefix(taken)
        if taken < waiting.count { #expect(port.interest.contains(.write)) }
        waiting.removeFirst(taken)
        received += guest.read(Int.random(in: 1...20_000, using: &random)) ?? []
        if port.interest.contains(.write) { port.onWritable() }
      }
      received += drain(port, guest)
      let (frames, rest) = Self.unwire(received)
      #expect(frames == sent.map(padded))
      #expect(rest.isEmpty)
      #expect(port.counters.txBlocked > 0)
      #expect(!inbox.readies.isEmpty)
      #expect(port.end == nil)
    }
  }

  @Test("A super-frame cut short by a full guest is completed, whatever else waits")
  func superFrameBackPressure() throws {
    var random = SeededGenerator(seed: 6)
    for _ in 0..<4 {
      let (port, guest) = try make(sendBuffer: 8000)
      var payloads: [UInt8] = []
      var received: [UInt8] = []
      for _ in 0..<10 {
        let payload = random.bytes(Int.random(in: 1...64_000, using: &random))
        let frame = TestPacket.offloaded(
          .v6, payload: payload, gsoSize: Int.random(in: 32...1500, using: &random))
        while port.send([frame]) == 0 {
          received += guest.read(30_000) ?? []
          port.onWritable()
        }
        payloads += payload
      }
      received += drain(port, guest)
      let packets = Self.unwire(received).frames.map { ParsedPacket($0) }
      #expect(packets.allSatisfy { $0.fault == nil })
      #expect(packets.flatMap(\.payload) == payloads)
    }
  }

  @Test("Forwarded frames fill the queue to its bound, then are dropped and counted")
  func forwarding() throws {
    let (port, guest) = try make(sendBuffer: 1)
    let frames = (0..<1000).map { _ in TestPacket.plain(1500) }
    port.forward(frames)
    #expect(port.counters.txFrames + port.counters.txQueueFull == 1000)
    #expect(port.counters.txQueueFull > 0)
    #expect(port.queue.count <= SendQueue.limit + 1504)
    let arrived = Self.unwire(drain(port, guest))
    #expect(UInt64(arrived.frames.count) == port.counters.txFrames)
    #expect(arrived.rest.isEmpty)
  }

  @Test("Small frames of one turn go out together, and nothing overtakes them")
  func held() throws {
    let (port, guest) = try make()
    let small = (0..<6).map { TestPacket.plain(60 + $0) }
    #expect(port.forwards([small[0]]))
    #expect(!port.forwards([small[1], small[2]]))
    #expect(guest.read() == nil)
    port.sendHeld()
    // In one piece: one system call.
    #expect(guest.read() == small[..<3].flatMap { Self.wire($0) })
    port.sendHeld()
    #expect(guest.read() == nil && port.interest == .read)

    // Behind what is held: a batch that is not worth the copy, and what the plugin sends.
    let large = (0..<4).map { _ in TestPacket.plain(1500) }
    #expect(port.forwards([small[3]]))
    port.forward(large)
    #expect(port.forwards([small[4]]))
    #expect(port.send([small[5]]) == 1)
    let (frames, rest) = Self.unwire(drain(port, guest))
    #expect(frames == [small[3]] + large + [small[4], small[5]] && rest.isEmpty)
    #expect(port.counters.txFrames == 10)
  }

  @Test("What is held is bounded, and what finds no room then waits its turn")
  func heldBound() throws {
    let (port, guest) = try make(sendBuffer: 1)
    let frames = (0..<200).map { TestPacket.plain(1000 + $0) }
    for frame in frames { port.forward([frame]) }
    #expect(!port.isHolding && port.queue.count <= SendQueue.limit)
    port.sendHeld()
    #expect(port.interest.contains(.write))
    // Not held: there is something that waits for the guest.
    #expect(!port.forwards([TestPacket.plain(60)]))
    let (arrived, rest) = Self.unwire(drain(port, guest))
    #expect(arrived == frames + [TestPacket.plain(60)] && rest.isEmpty)
    #expect(port.counters.txQueueFull == 0)
  }

  private func wantsLoan(_ port: Port) -> Bool { port.queue.wantsLoan }

  @Test("Memory for what is held is lent for the turn, and what stays is kept elsewhere")
  func loans() throws {
    let (port, guest) = try make()
    var lent: Set<UnsafeMutablePointer<UInt8>> = []
    for i in 0..<10 {
      let frame = TestPacket.plain(100 + i)
      #expect(port.forwards([frame]))
      lent.insert(port.queue.bytes)
      port.sendHeld()
      #expect(guest.read() == Self.wire(frame))
      #expect(wantsLoan(port))
    }
    #expect(lent.count == 1)
    // The guest takes nothing: what is held stays, and in memory of the port's own.
    var frames: [[UInt8]] = []
    while port.queue.isEmpty {
      frames.append(TestPacket.plain(2000))
      #expect(port.forwards([frames[frames.count - 1]]))
      port.sendHeld()
    }
    #expect(!wantsLoan(port) && !lent.contains(port.queue.bytes))
    #expect(Self.unwire(drain(port, guest)).frames == frames)
    #expect(port.forwards([TestPacket.plain(60)]) && !lent.contains(port.queue.bytes))
    port.sendHeld()
  }

  @Test("Frames held for a guest that has gone end its port")
  func heldForNobody() throws {
    let (port, guest) = try make()
    #expect(port.forwards([TestPacket.plain(60)]))
    guest.close()
    port.sendHeld()
    #expect(port.end == .closed)
    #expect(!port.forwards([TestPacket.plain(60)]))
    #expect(port.counters.txEnded == 1)
  }

  @Test("10,000 random frames leave the stream in order")
  func randomFrames() throws {
    var random = SeededGenerator(seed: 8)
    let (port, guest) = try make()
    var frames = 0
    for _ in 0..<1000 {
      let batch = (0..<10).map { _ -> OwnedFrame in
        let owned = TestPacket.offloaded(
          Bool.random(using: &random) ? .v4 : .v6, udp: Bool.random(using: &random),
          payload: random.bytes(Int.random(in: 0...200, using: &random)), gsoSize: 50)
        func word() -> UInt16 { UInt16.random(in: 0...300, using: &random) }
        switch word() % 7 {
        case 0: owned.frame.gso_size = word()
        case 1: owned.frame.csum_start = word()
        case 2: owned.frame.csum_offset = word()
        case 3: owned.frame.gso_type = word() % 8
        case 4: owned.frame.flags = UInt32(word() & 3)
        case 5: _ = owned.sliced(at: (0..<Int(word() % 70)).map { _ in Int(word()) })
        default: owned.frame.length = min(owned.frame.length, UInt32(word()))
        }
        return owned
      }
      #expect(port.send(batch) == 10)
      let (parsed, rest) = Self.unwire(drain(port, guest))
      #expect(rest.isEmpty)
      frames += parsed.count
    }
    #expect(frames > 10_000)
    #expect(port.counters.txMalformed > 100)
  }
}
