// SPDX-License-Identifier: Apache-2.0
//
// A QEMU stream (`-netdev stream`, `-netdev socket`): SOCK_STREAM, each frame behind its length in 4 bytes,
// big-endian; or with HyperKit's length field (StreamFraming). This file: life cycle and receiving;
// StreamPort+Send.swift: sending.
//
// Receiving: one large recv per iteration, of about a batch of frames. Complete frames are delivered in place; an
// incomplete one at the end moves to the front of the buffer, which the port keeps until the frame is complete;
// otherwise ports share one buffer. A frame that is too short, or longer than LND_FRAME_MAX, is skipped and counted.
// A length beyond what any sender uses ends the port, because the frame boundaries after it are unknown.
//
// Frames are marked as having valid checksums: they came through this machine's memory from a sender without checksum
// offload.
//
// Invariant: rx bytes kept between iterations are the beginning of one frame; there are none while `skip` is not 0.
//
// Thread: loop only.

import LibC
import Platform
import PluginAPI
import Wire

package final class StreamPort: Port {
  /// Bytes of the first reads, and the minimum for small frames within `mostFrames`: a larger read would leave the
  /// CPU cache.
  private static let firstRead = 256 << 10
  private static let leastRead = 32 << 10
  /// Maximum frames of one read, estimated from the previous read: thousands of small ones would delay the other
  /// ports, because some of them are expensive (a SYN).
  private static let mostFrames = 2 * PortMemory.batch

  /// Kept between iterations while a frame is incomplete; else nil.
  private var buffer: UnsafeMutablePointer<UInt8>?
  private var kept = 0
  /// Bytes up to which a read fills the buffer.
  private var fill = firstRead
  /// Bytes still to come of a frame that a dead process had begun to read.
  private var skip = 0

  let framing: StreamFraming
  let journal: StreamJournal?
  /// The frame that is partly sent, whose rest is first in the queue: its length, and its bytes sent, length field
  /// included. 0 and 0 at a boundary.
  var partialLength: UInt32 = 0
  var partialSent: UInt32 = 0

  /// Takes ownership of `fd`, a connected SOCK_STREAM socket.
  /// - Parameters:
  ///   - journal: where frame boundaries are recorded; nil: nowhere.
  ///   - resumed: a process that died has served the socket, and `journal` holds its position. If that is unknown,
  ///     the port has ended (`boundaryUnknown`) when this returns.
  package init(
    _ options: PortOptions, fd: Int32, framing: StreamFraming = .qemu, journal: StreamJournal?,
    resumed: Bool, memory: PortMemory
  ) {
    self.framing = framing
    self.journal = journal
    // Up to the system's limit: a larger buffer means fewer short writes and wake-ups (measured: a tenth of them, and
    // a fifth less CPU for GSO frames).
    _ = Sockets.setOption(fd, SOL_SOCKET, SO_SNDBUF, 1 << 20)
    super.init(options, fd: fd, ownsFD: true, offloads: 0, gathers: true, memory: memory)
    if resumed {
      if let state = journal?.recover(framing) {
        resume(state)
      } else {
        finish(.boundaryUnknown)
      }
    } else {
      journal?.reset()
    }
  }

  deinit {
    if let buffer { memory.streams.giveBack(buffer) }
  }

  /// Continues in the middle of the frames that the journal describes.
  private func resume(_ state: StreamJournal.State) {
    skip = Int(state.skip)
    let buffer = takeBuffer()
    for i in 0..<state.headerCount {
      buffer[i] = UInt8(truncatingIfNeeded: state.header >> (8 * UInt32(i)))
    }
    kept = state.headerCount
    guard state.sent > 0 else { return }
    partialLength = state.sendLength
    partialSent = state.sent
    let size = framing.size
    let owed = Int(state.sendLength) + size - Int(state.sent)
    guard let rest = queue.extend(owed) else { return finish(.boundaryUnknown) }
    memset(rest, 0, owed)
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: size) { bytes in
      guard let start = bytes.baseAddress else { return }
      framing.store(Int(state.sendLength), to: start)
      for i in Int(state.sent)..<max(size, Int(state.sent)) { rest[i - Int(state.sent)] = start[i] }
    }
    setInterest([.read, .write])
  }

  private func takeBuffer() -> UnsafeMutablePointer<UInt8> {
    if let buffer { return buffer }
    let taken = memory.streams.take()
    buffer = taken
    return taken
  }

  private func settleBuffer() {
    guard kept == 0, let buffer else { return }
    self.buffer = nil
    memory.streams.giveBack(buffer)
  }

  // MARK: Receiving

  package override func onReadable() {
    guard end == nil else { return }
    let buffer = takeBuffer()
    defer { settleBuffer() }
    journal?.rxBegin()
    let space = rxGate.isActive ? max(1, min(fill - kept, receiveAllowance)) : fill - kept
    let n = Sockets.recv(fd, buffer + kept, space, dontWait)
    guard n > 0 else { return receivedNothing(Int32(truncatingIfNeeded: -n), buffer) }

    let total = kept + n
    let start = min(skip, total)
    skip -= start
    var scan = start
    var length: UInt32 = 0
    var isBad = false
    var frames = 0
    let size = framing.size
    while total &- scan >= size {
      length = framing.length(buffer, at: scan)
      if length > framing.longestSkipped {
        isBad = true
        break
      }
      if total &- scan &- size < Int(length) { break }
      scan &+= size &+ Int(length)
      frames &+= 1
    }
    if total >= fill, frames > 0 {
      fill = Self.fill(bytes: scan &- start, frames: frames)
    }
    kept = total - scan
    if !isBad { recordBoundary(buffer + scan, length) }
    deliverFrames(buffer, from: start, to: scan)
    if isBad {
      finish(.badLength(length))
    } else if kept > 0 {
      memmove(buffer, buffer + scan, kept)
    }
  }

  /// How far the next read fills the buffer, from the size and number of the last frames: a batch of such frames, or
  /// two batches of small ones.
  static func fill(bytes: Int, frames: Int) -> Int {
    let size = bytes / frames
    let small = max(leastRead, min(size &* mostFrames, firstRead))
    return max(small, min(size &* PortMemory.batch, PortMemory.streamBytes))
  }

  /// - Parameter length: of the incomplete frame, when its whole length field has been read.
  private func recordBoundary(_ rest: UnsafeMutablePointer<UInt8>, _ length: UInt32) {
    guard let journal else { return }
    if kept >= framing.size {
      journal.rxEnd(skip: length &- UInt32(kept &- framing.size), header: 0, headerCount: 0)
    } else {
      var header: UInt32 = 0
      for i in 0..<kept { header |= UInt32(rest[i]) << (8 * UInt32(i)) }
      journal.rxEnd(
        skip: UInt32(truncatingIfNeeded: skip), header: header, headerCount: UInt32(kept))
    }
  }

  private func deliverFrames(
    _ buffer: UnsafeMutablePointer<UInt8>, from start: Int, to stop: Int
  ) {
    let frames = memory.frames
    let size = framing.size
    var at = start
    while at < stop, end == nil {
      var count = 0
      while at < stop, count < PortMemory.batch {
        let length = framing.length(buffer, at: at)
        let data = UnsafePointer(buffer + at + size)
        at &+= size &+ Int(length)
        guard length >= EthernetHeader.encodedLength, length <= LND_FRAME_MAX else {
          if length < EthernetHeader.encodedLength {
            counters.rxRunt &+= 1
          } else {
            counters.rxOversize &+= 1
          }
          continue
        }
        frames[count] = lnd_frame(data, length, flags: LND_FRAME_CSUM_VALID)
        count &+= 1
      }
      deliver(frames, count)
    }
  }

  private func receivedNothing(_ code: Int32, _ buffer: UnsafeMutablePointer<UInt8>) {
    if code == 0 || code == ECONNRESET || code == EPIPE { return finish(.closed) }
    guard code == EAGAIN || code == ENOBUFS || code == ENOMEM else {
      return finish(.system(call: "recv", errno: code))
    }
    // The boundary has not moved.
    recordBoundary(buffer, kept >= framing.size ? framing.length(buffer, at: 0) : 0)
  }

  // MARK: Sending

  override func transmit(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    sendDirectly(frames, count)
  }

  override func enqueue(_ frame: UnsafePointer<lnd_frame>) { encode(frame) }

  override func sendQueue() { flushQueue() }

  override func awaitRoom() { setInterest([.read, .write]) }

  package override func onWritable() {
    guard end == nil else { return }
    flushQueue()
    announceRoom()
    guard end == nil, !waitsForGate() else { return }
    setInterest(queue.isEmpty && !owesReady ? .read : [.read, .write])
  }
}
