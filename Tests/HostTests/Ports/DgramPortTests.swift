// SPDX-License-Identifier: Apache-2.0

import LibC
import Platform
import PluginAPI
import TestSupport
import Testing

@testable import Host

@Suite("Datagram port", .timeLimit(.minutes(5))) struct DgramPortTests {
  let memory = PortMemory()
  let inbox = Inbox()

  func make() throws -> (DgramPort, TestFD) {
    let (fd, guest) = try socketPair(.datagram)
    let port = DgramPort(PortOptions(id: 3), fd: fd, memory: memory)
    inbox.attach(port)
    return (port, guest)
  }

  func drain(_ port: DgramPort, _ guest: TestFD) -> [[UInt8]] {
    var all: [[UInt8]] = []
    while true {
      if let bytes = guest.read() {
        all.append(bytes)
      } else if !port.queue.isEmpty {
        port.onWritable()
      } else {
        return all
      }
    }
  }

  @Test("Datagrams of all sizes are frames, small ones and large ones in one batch")
  func receive() throws {
    let (port, guest) = try make()
    let frames = [14, 60, 2047, 2048, 2049, 9000, 65_000, 100].map { TestPacket.plain($0) }
    for frame in frames { guest.write(frame) }
    port.onReadable()
    #expect(inbox.bytes == frames)
    #expect(inbox.batches == [8])
  }

  @Test("The largest frame passes; runts and longer ones are dropped and counted")
  func bounds() throws {
    let (port, guest) = try make()
    let largest = TestPacket.plain(Int(LND_FRAME_MAX))
    guest.write([1, 2, 3])
    guest.write(largest)
    guest.write(largest + [0])
    guest.write([UInt8](repeating: 0, count: 13))
    port.onReadable()
    #expect(inbox.bytes == [largest])
    #expect(port.counters.rxRunt == 2)
    #expect(port.counters.rxOversize == 1)
    #expect(port.end == nil)
  }

  @Test("A batch is sent in order, flat, in slices, and cut from super-frames")
  func send() throws {
    let (port, guest) = try make()
    let frames = (0..<70).map { TestPacket.plain(60 + $0) }
    let owned = frames.enumerated().map { i, bytes in
      i % 2 == 0 ? OwnedFrame(bytes) : OwnedFrame(bytes).sliced(at: [14, 20, 20, 54])
    }
    #expect(port.send(owned) == 70)
    #expect(drain(port, guest) == frames)

    var random = SeededGenerator(seed: 2)
    let payload = random.bytes(20_000)
    let frame = TestPacket.offloaded(.v4, payload: payload, gsoSize: 100).sliced(at: [66, 5000])
    #expect(port.send([frame]) == 1)
    let packets = drain(port, guest).map { ParsedPacket($0) }
    #expect(packets.allSatisfy { $0.fault == nil })
    #expect(packets.flatMap(\.payload) == payload)
  }

  @Test("A full guest makes the sender wait, and every frame arrives in order")
  func backPressure() throws {
    var random = SeededGenerator(seed: 4)
    let (port, guest) = try make()
    var sent: [[UInt8]] = []
    var received: [[UInt8]] = []
    for _ in 0..<25 {
      let frames = (0..<40).map { _ in
        TestPacket.plain(Int.random(in: 14...9000, using: &random))
      }
      let taken = port.send(frames)
      sent += frames.prefix(taken)
      for _ in 0..<Int.random(in: 0...30, using: &random) {
        if let bytes = guest.read() { received.append(bytes) }
      }
      if port.interest.contains(.write) { port.onWritable() }
    }
    received += drain(port, guest)
    #expect(received == sent.map(padded))
    #expect(port.counters.txBlocked > 0)
    #expect(!inbox.readies.isEmpty)
    #expect(port.end == nil)
  }

  @Test("Super-frames cut short by a full guest are completed")
  func superFrameBackPressure() throws {
    var random = SeededGenerator(seed: 6)
    let (port, guest) = try make()
    var payloads: [UInt8] = []
    var received: [[UInt8]] = []
    for _ in 0..<10 {
      let payload = random.bytes(Int.random(in: 1...64_000, using: &random))
      let frame = TestPacket.offloaded(
        .v6, payload: payload, gsoSize: Int.random(in: 32...1500, using: &random))
      while port.send([frame]) == 0 {
        for _ in 0..<50 { if let bytes = guest.read() { received.append(bytes) } }
        port.onWritable()
      }
      payloads += payload
    }
    received += drain(port, guest)
    let packets = received.map { ParsedPacket($0) }
    #expect(packets.allSatisfy { $0.fault == nil })
    #expect(packets.flatMap(\.payload) == payloads)
  }

  @Test("Forwarded frames beyond the queue's bound are dropped and counted")
  func forwarding() throws {
    let (port, guest) = try make()
    port.forward((0..<2000).map { _ in TestPacket.plain(1500) })
    #expect(port.counters.txFrames + port.counters.txQueueFull == 2000)
    #expect(port.counters.txQueueFull > 0)
    #expect(UInt64(drain(port, guest).count) == port.counters.txFrames)
  }

  @Test("Small frames of one turn go out together, and nothing overtakes them")
  func held() throws {
    let (port, guest) = try make()
    let small = (0..<4).map { TestPacket.plain(60 + $0) }
    #expect(port.forwards([small[0]]))
    #expect(!port.forwards([small[1]]))
    #expect(guest.read() == nil)
    port.sendHeld()
    #expect(drain(port, guest) == Array(small[..<2]))
    #expect(port.forwards([small[2]]))
    #expect(port.send([small[3]]) == 1)
    #expect(drain(port, guest) == Array(small[2...]))
    #expect(port.queue.isEmpty && port.interest == .read)
  }

  @Test("A frame too big for the socket is lost alone")
  func tooBig() throws {
    let (a, guest) = try socketPair(.datagram)
    let port = DgramPort(PortOptions(id: 1), fd: a, memory: memory)
    inbox.attach(port)
    _ = Sockets.setOption(a, SOL_SOCKET, SO_SNDBUF, 20_000)
    let frames = [TestPacket.plain(100), TestPacket.plain(60_000), TestPacket.plain(101)]
    #expect(port.send(frames) == 3)
    #expect(drain(port, guest) == [frames[0], frames[2]])
    #expect(port.counters.txRefused == 1)
  }

  @Test("A guest that has gone is noticed by a send, and by a probe when it is silent")
  func gone() throws {
    let (port, guest) = try make()
    guest.close()
    #expect(port.send([TestPacket.plain(60)]) == 1)
    #expect(port.end == .closed)
    #expect(inbox.ended == [3])

    let (silent, other) = try make()
    silent.probe()
    #expect(silent.end == nil)
    #expect(other.read()?.count == 60)
    other.write(TestPacket.plain(60))
    silent.onReadable()
    silent.probe()
    #expect(other.read() == nil)
    other.close()
    silent.probe()
    #expect(silent.end == .closed)
  }
}
