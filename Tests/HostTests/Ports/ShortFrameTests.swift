// SPDX-License-Identifier: Apache-2.0

import LibC
import Platform
import PluginAPI
import Testing

@testable import Host

/// Frames below 60 bytes on links that lead to a NIC model, and frames with a tag of priority.
@Suite("Short and tagged frames", .timeLimit(.minutes(1))) struct ShortFrameTests {
  private let memory = PortMemory()
  private let inbox = Inbox()

  private func stream(_ framing: StreamFraming = .qemu) throws -> (StreamPort, TestFD) {
    let (fd, guest) = try socketPair(.stream)
    let port = StreamPort(
      PortOptions(id: 1), fd: fd, framing: framing, journal: nil, resumed: false, memory: memory)
    inbox.attach(port)
    return (port, guest)
  }

  @Test("A stream's guest gets no frame below 60 bytes, and longer ones as they are")
  func streams() throws {
    let (port, guest) = try stream()
    let lengths = Array(14...64) + [1514]
    let frames = lengths.map { TestPacket.plain($0) }
    #expect(port.send(frames) == frames.count)
    var bytes: [UInt8] = []
    while let more = guest.read() { bytes += more }
    #expect(StreamPortTests.unwire(bytes).frames == frames.map(padded))
    #expect(StreamPortTests.unwire(bytes).rest.isEmpty)
  }

  @Test("Scattered short frames are padded as well")
  func slices() throws {
    let (port, guest) = try stream()
    let frame = TestPacket.plain(42)
    let sliced = OwnedFrame(frame).sliced(at: [1, 14, 20])
    withExtendedLifetime(sliced) { #expect(port.send(&sliced.frame, 1) == 1) }
    #expect(guest.read().map(StreamPortTests.unwire)?.frames == [padded(frame)])
  }

  @Test("What waits for a full stream is padded, and what is held back")
  func queues() throws {
    let (fd, guest) = try socketPair(.stream)
    let port = StreamPort(PortOptions(id: 1), fd: fd, journal: nil, resumed: false, memory: memory)
    _ = Sockets.setOption(fd, SOL_SOCKET, SO_SNDBUF, 4096)
    inbox.attach(port)
    var sent: [[UInt8]] = []
    for i in 0..<2000 {
      let frame = TestPacket.plain(14 + i % 50)
      if port.send([frame]) == 1 { sent.append(frame) }
    }
    let isWaiting = !port.queue.isEmpty
    #expect(isWaiting)
    var bytes: [UInt8] = []
    for _ in 0..<10_000 {
      if let more = guest.read() {
        bytes += more
      } else if port.queue.isEmpty {
        break
      } else {
        port.onWritable()
      }
    }
    #expect(StreamPortTests.unwire(bytes).frames == sent.map(padded))

    // 256 frames of 14 bytes are little, but not when they are padded.
    let (held, other) = try stream()
    let small = [[UInt8]](repeating: TestPacket.plain(14), count: 256)
    for _ in 0..<12 {
      let owned = small.map { OwnedFrame($0) }
      let raw = owned.map(\.frame)
      withExtendedLifetime(owned) {
        raw.withUnsafeBufferPointer { frames in
          if let base = frames.baseAddress { _ = held.forward(base, frames.count) }
        }
      }
      held.sendHeld()
    }
    var count = 0
    var rest: [UInt8] = []
    while let more = other.read() {
      let (frames, left) = StreamPortTests.unwire(rest + more)
      count += frames.count
      rest = left
    }
    #expect(count == 12 * 256 && held.counters.txQueueFull == 0)
  }

  @Test("A datagram's guest gets no frame below 60 bytes")
  func datagrams() throws {
    let (fd, guest) = try socketPair(.datagram)
    let port = DgramPort(PortOptions(id: 1), fd: fd, memory: memory)
    inbox.attach(port)
    let frames = [14, 42, 54, 59, 60, 61].map { TestPacket.plain($0) }
    #expect(port.send(frames) == frames.count)
    var got: [[UInt8]] = []
    while let frame = guest.read() { got.append(frame) }
    #expect(got == frames.map(padded))
  }

  // MARK: Tags

  private func tagged(_ frame: [UInt8], _ tags: [[UInt8]]) -> [UInt8] {
    Array(frame[..<12]) + tags.flatMap { $0 } + Array(frame[12...])
  }

  @Test("A tag of priority is taken off where a frame comes in, and a VLAN's is not")
  func tags() throws {
    let (port, guest) = try stream()
    let frame = TestPacket.plain(60)
    let priority: [UInt8] = [0x81, 0, 0xe0, 0]
    let service: [UInt8] = [0x88, 0xa8, 0x20, 0]
    let vlan = tagged(frame, [[0x81, 0, 0x20, 7]])
    let short = Array(tagged(frame, [priority])[..<17])
    let inner = tagged(frame, [[0x81, 0, 0, 7]])
    guest.write(
      [
        tagged(frame, [priority]), tagged(frame, [service, priority]), vlan, short,
        tagged(inner, [priority]), frame,
      ].flatMap(StreamPortTests.wire))
    port.onReadable()
    #expect(inbox.bytes == [frame, frame, vlan, short, inner, frame])
    #expect(port.counters.rxFrames == 6)
  }

  @Test("The offload fields of a tagged frame move with its headers")
  func offloads() {
    let plain = TestPacket.plain(100)
    let owned = OwnedFrame(tagged(plain, [[0x81, 0, 0, 0]]))
    owned.frame.flags = LND_FRAME_NEEDS_CSUM
    owned.frame.csum_start = 38
    owned.frame.csum_offset = 16
    owned.frame.hdr_len = 58
    PriorityTag.remove(&owned.frame)
    #expect(flatten(&owned.frame) == plain)
    #expect(owned.frame.csum_start == 34 && owned.frame.hdr_len == 54)
    // One whose checksum would begin in the tag makes no sense: it is left alone.
    let odd = OwnedFrame(tagged(plain, [[0x81, 0, 0, 0]]))
    odd.frame.flags = LND_FRAME_NEEDS_CSUM
    odd.frame.csum_start = 15
    PriorityTag.remove(&odd.frame)
    #expect(odd.frame.length == 104)
  }
}
