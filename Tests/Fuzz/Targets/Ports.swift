// SPDX-License-Identifier: Apache-2.0
//
// The framing of a QEMU stream, with a process that dies in the middle, and frames of a
// plugin whose offload fields say anything.

import LibC
import Host
import Platform
import PluginAPI

extension FuzzTarget {
  /// Two bytes say after which read the process dies; then chunks behind a length of one
  /// byte, each a read.
  static let stream = FuzzTarget(
    "stream",
    seeds: [
      [0, 0] + pieces([framed(14)]),
      [0, 0] + pieces([framed(60) + framed(14)]),
      [0, 0] + pieces([Array(framed(60).prefix(3)), Array(framed(60).dropFirst(3))]),
      [1, 0] + pieces([Array(framed(60).prefix(30)), Array(framed(60).dropFirst(30)), framed(14)]),
      [1, 0] + pieces([Array(framed(60).prefix(2)), Array(framed(60).dropFirst(2)), framed(14)]),
      [0, 0] + pieces([[0, 0, 0, 13] + [UInt8](repeating: 1, count: 13)]),
      [0, 0] + pieces([[0, 2, 0, 0]]), [0, 0] + pieces([[255, 255, 255, 255]]),
    ]
  ) { bytes in
    var input = FuzzInput(bytes)
    let death = Int(input.byte())
    _ = input.byte()
    guard let (ours, theirs) = try? UnixSocket.pair() else { return }
    defer { _ = Sockets.close(theirs) }
    let memory = PortMemory()
    let slot = UnsafeMutableRawPointer.allocate(
      byteCount: StreamJournal.slotBytes, alignment: 8)
    slot.initializeMemory(as: UInt8.self, repeating: 0, count: StreamJournal.slotBytes)
    defer { slot.deallocate() }
    let sink = FrameSink()
    let journal = StreamJournal(slot: slot)
    var port = StreamPort(
      PortOptions(id: 1), fd: ours, journal: journal, resumed: false, memory: memory)
    port.receiver = sink.receiver
    var expected = StreamModel()
    var reads = 0
    while !input.isAtEnd, port.end == nil {
      let chunk = input.take(Int(input.byte()))
      if chunk.isEmpty { continue }
      let sent = chunk.withUnsafeBytes { Sockets.send(theirs, $0.baseAddress, $0.count, 0) }
      expectFuzz(sent == chunk.count, "a socket pair takes a chunk")
      expected.read(chunk)
      port.onReadable()
      reads += 1
      if reads == death, port.end == nil {
        // Another process goes on with the same socket and the journal.
        let copy = dup(ours)
        port.close()
        expected.restart()
        port = StreamPort(
          PortOptions(id: 1), fd: copy, journal: journal, resumed: true, memory: memory)
        port.receiver = sink.receiver
      }
      expectFuzz(sink.frames == expected.frames, "frames of a stream after \(reads) reads")
      expectFuzz((port.end != nil) == expected.isBroken, "the end of a stream")
    }
    port.close()
  }

  /// The frame's fields (flags, gso_type, gso_size, csum_start, csum_offset, slices), then
  /// its bytes.
  static let segments = FuzzTarget(
    "segments",
    seeds: [
      [1, 1, 0, 100, 0, 34, 0, 16, 0]
        + SeedPackets.tcp(
          .ack, sequence: 1, payload: [UInt8](repeating: 7, count: 350)),
      [1, 5, 0, 64, 0, 34, 0, 6, 3] + SeedPackets.udp(payload: [UInt8](repeating: 7, count: 200)),
      [1, 0, 0, 0, 0, 34, 0, 6, 1] + SeedPackets.udp(payload: [1, 2, 3]),
      [0, 0, 0, 0, 0, 0, 0, 0, 2] + SeedPackets.arp,
      [1, 4, 0, 100, 0, 54, 0, 16, 0] + SeedPackets.hopByHop,
    ]
  ) { bytes in
    var input = FuzzInput(bytes)
    var frame = lnd_frame()
    frame.flags = UInt32(input.byte()) & (LND_FRAME_NEEDS_CSUM | LND_FRAME_CSUM_VALID)
    frame.gso_type = UInt16(input.byte())
    frame.gso_size = input.uint16()
    frame.csum_start = input.uint16()
    frame.csum_offset = input.uint16()
    let cuts = Int(input.byte() % 8)
    let data = input.rest()
    guard let (ours, theirs) = try? UnixSocket.pair() else { return }
    defer { _ = Sockets.close(theirs) }
    let port = StreamPort(
      PortOptions(id: 1), fd: ours, journal: nil, resumed: false, memory: PortMemory())
    data.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      frame.length = UInt32(data.count)
      frame.data = base
      guard cuts > 0 else {
        _ = port.send([frame], 1)
        return
      }
      let slices = (0..<cuts).map { cut in
        let start = data.count * cut / cuts
        let end = data.count * (cut + 1) / cuts
        return lnd_slice(data: base + start, length: UInt64(end - start))
      }
      frame.flags |= UInt32(LND_FRAME_SLICES)
      frame.slices = UInt32(cuts)
      slices.withUnsafeBytes { list in
        frame.data = list.baseAddress?.assumingMemoryBound(to: UInt8.self)
        _ = port.send([frame], 1)
      }
    }
    var out = [UInt8](repeating: 0, count: 1 << 20)
    let count = out.withUnsafeMutableBytes {
      Sockets.recv(theirs, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
    }
    var model = StreamModel()
    model.read(Array(out.prefix(max(count, 0))))
    expectFuzz(!model.isBroken && port.end == nil, "what a guest gets are frames")
    port.close()
  }

  private static func framed(_ length: Int) -> [UInt8] {
    [0, 0, UInt8(length >> 8), UInt8(length & 255)] + [UInt8](repeating: 5, count: length)
  }

  private static func pieces(_ list: [[UInt8]]) -> [UInt8] {
    list.flatMap { [UInt8($0.count)] + $0 }
  }
}

/// What a stream of frames means, written down once more.
private struct StreamModel {
  var frames: [[UInt8]] = []
  var isBroken = false
  private var kept: [UInt8] = []
  private var skip = 0

  mutating func read(_ bytes: [UInt8]) {
    let skipped = min(skip, bytes.count)
    skip -= skipped
    kept += bytes[skipped...]
    while !isBroken, kept.count >= 4 {
      let length = kept[..<4].reduce(0) { $0 << 8 | Int($1) }
      // QEMU's own bound.
      guard length <= 69_632 else {
        isBroken = true
        return
      }
      guard length >= 14, length <= Int(LND_FRAME_MAX) else {
        // No frame: read over, also what is still to come of it.
        let here = min(length, kept.count - 4)
        kept.removeFirst(4 + here)
        skip = length - here
        continue
      }
      guard kept.count >= 4 + length else { return }
      frames.append(Self.untagged(Array(kept[4..<(4 + length)])))
      kept.removeFirst(4 + length)
    }
  }

  /// Without its priority tags (802.1Q, VLAN 0), eight at most.
  private static func untagged(_ frame: [UInt8]) -> [UInt8] {
    var frame = frame
    for _ in 0..<8 {
      let isTag = frame[12...13] == [0x81, 0x00] || frame[12...13] == [0x88, 0xa8]
      guard isTag, frame.count >= 18, frame[14] & 0x0f == 0, frame[15] == 0 else { break }
      frame.removeSubrange(12..<16)
    }
    return frame
  }

  /// Half a frame is lost with the process that read it, a part of a length is not.
  mutating func restart() {
    guard kept.count >= 4 else { return }
    skip = 4 + kept[..<4].reduce(0) { $0 << 8 | Int($1) } - kept.count
    kept = []
  }
}

/// Keeps what a port delivers.
private final class FrameSink {
  var frames: [[UInt8]] = []

  /// Valid as long as the sink is.
  var receiver: FrameReceiver {
    FrameReceiver(
      context: Unmanaged.passUnretained(self).toOpaque(),
      frames: { context, _, frames, count in
        guard let context, let frames else { return }
        let sink = Unmanaged<FrameSink>.fromOpaque(context).takeUnretainedValue()
        for index in 0..<Int(count) {
          sink.frames.append(
            Array(UnsafeBufferPointer(start: frames[index].data, count: Int(frames[index].length))))
        }
      })
  }
}
