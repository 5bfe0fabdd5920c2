// SPDX-License-Identifier: Apache-2.0
//
// Sending on a stream: a whole batch in as few sendmsg calls as their iovecs allow (1024 each), headers and lengths
// from a pool, payload by reference. Short frames are padded (PortMemory.shortest).
//
// After a short write the rest of the interrupted frame is copied to the queue, and is sent first.

import LibC
import CPlatform
import PluginAPI

extension StreamPort {
  /// The iovecs of one sendmsg.
  private struct Message {
    var pieces = 0
    var units = 0
    var headers = 0
    var bytes = 0
    /// The frame of which some segments were already sent, or -1.
    var started: Int32 = -1

    @inline(__always) func fits(_ more: Int) -> Bool {
      pieces &+ more < PortMemory.pieces
        && headers &+ Segmenter.headerMax &+ 4 <= SendMemory.headerBytes
    }

    @inline(__always)
    mutating func add(
      _ out: SendMemory, _ framing: StreamFraming, header: Int, pieces used: Int,
      bytes length: Int, frame: Int
    ) {
      let start = out.headers + headers
      let size = framing.size
      framing.store(length, to: start)
      out.pieces[pieces] = iovec(iov_base: UnsafeMutableRawPointer(start), iov_len: header &+ size)
      out.unitBytes[units] = UInt32(truncatingIfNeeded: length &+ size)
      out.unitFrame[units] = Int32(truncatingIfNeeded: frame)
      pieces &+= used &+ 1
      units &+= 1
      headers &+= header &+ size
      bytes &+= length &+ size
    }

    mutating func clear(started frame: Int) {
      self = Message(started: Int32(truncatingIfNeeded: frame))
    }
  }

  /// Passes frames to the kernel until it is full; returns how many were accepted whole, or with their rest in the
  /// queue.
  func sendDirectly(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    let out = memory.out
    let size = framing.size
    var message = Message()
    for index in 0..<count {
      let frame = frames + index
      let shape = frame.shape
      switch shape {
      case .malformed:
        counters.txMalformed &+= 1
      case .plain:
        if !message.fits(1 &+ Segmenter.pieceMax) {
          if let stop = flush(message) { return stop }
          message.clear(started: -1)
        }
        let length = Int(frame.pointee.length)
        guard length <= framing.longest else {
          counters.txMalformed &+= 1
          continue
        }
        var reader = PieceReader(frame)
        if length < PortMemory.shortest {
          reader.copyPadded(length, into: out.headers + message.headers + size)
          message.add(
            out, framing, header: PortMemory.shortest, pieces: 0, bytes: PortMemory.shortest,
            frame: index)
          continue
        }
        let used = reader.refer(length, into: out.pieces + message.pieces + 1)
        message.add(out, framing, header: 0, pieces: used, bytes: length, frame: index)
      case .checksum, .segments:
        guard var segmenter = Segmenter(frame, shape, template: out.template) else {
          counters.txMalformed &+= 1
          continue
        }
        if shape == .segments { counters.txSegmented &+= 1 }
        while !segmenter.isDone {
          if !message.fits(2 &+ Segmenter.pieceMax) {
            if let stop = flush(message) {
              // Interrupted within this frame: its other segments follow the rest.
              if stop == index &+ 1 { encode(&segmenter) }
              return stop
            }
            message.clear(started: index)
          }
          let (bytes, used) = out.next(
            &segmenter, header: out.headers + message.headers + size,
            pieces: out.pieces + message.pieces + 1)
          message.add(
            out, framing, header: segmenter.headerLength, pieces: used, bytes: bytes, frame: index)
        }
      }
    }
    return flush(message) ?? count
  }

  /// Sends the message. Nil when all was sent; otherwise the number of accepted frames, where the rest of the last
  /// may be in the queue.
  private func flush(_ message: Message) -> Int? {
    guard message.units > 0 else { return nil }
    let out = memory.out
    journal?.txBegin()
    let n = cplatform_send_vector(fd, out.pieces, Int32(message.pieces))
    if n == message.bytes {
      journal?.txEnd(length: 0, sent: 0)
      return nil
    }
    if n < 0, !Self.isFull(Int32(-n)) {
      finish(Self.sendEnd(Int32(-n)))
      return 0
    }
    var left = max(0, n)
    var unit = 0
    while left >= Int(out.unitBytes[unit]) {
      left &-= Int(out.unitBytes[unit])
      unit &+= 1
    }
    let frame = out.unitFrame[unit]
    if left > 0 {
      partialLength = out.unitBytes[unit] &- UInt32(framing.size)
      partialSent = UInt32(truncatingIfNeeded: left)
    }
    journal?.txEnd(length: partialLength, sent: partialSent)
    let before = unit == 0 ? message.started : out.unitFrame[unit &- 1]
    if left == 0, before != frame { return Int(frame) }

    var keep = Int(out.unitBytes[unit]) &- left
    unit &+= 1
    while unit < message.units, out.unitFrame[unit] == frame {
      keep &+= Int(out.unitBytes[unit])
      unit &+= 1
    }
    keepPieces(from: max(0, n), keep)
    return Int(frame) &+ 1
  }

  /// Copies `keep` bytes of the message from byte `offset` on to the queue.
  private func keepPieces(from offset: Int, _ keep: Int) {
    guard var to = queue.extend(keep) else { return finish(.system(call: "queue", errno: ENOBUFS)) }
    let pieces = memory.out.pieces
    var offset = offset
    var keep = keep
    var i = 0
    while keep > 0 {
      let length = pieces[i].iov_len
      if offset >= length {
        offset &-= length
      } else if let base = pieces[i].iov_base {
        let n = min(keep, length &- offset)
        memcpy(to, base + offset, n)
        to += n
        keep &-= n
        offset = 0
      }
      i &+= 1
    }
  }

  /// Encodes a frame at the end of the queue. Precondition: the queue has room.
  func encode(_ frame: UnsafePointer<lnd_frame>) {
    let shape = frame.shape
    switch shape {
    case .malformed: counters.txMalformed &+= 1
    case .plain:
      let length = Int(frame.pointee.length)
      guard length <= framing.longest else {
        counters.txMalformed &+= 1
        return
      }
      let padded = max(length, PortMemory.shortest)
      guard let to = queue.extend(padded + framing.size) else { return }
      framing.store(padded, to: to)
      var reader = PieceReader(frame)
      reader.copyPadded(length, into: to + framing.size)
    case .checksum, .segments:
      guard var segmenter = Segmenter(frame, shape, template: memory.out.template) else {
        counters.txMalformed &+= 1
        return
      }
      if shape == .segments { counters.txSegmented &+= 1 }
      encode(&segmenter)
    }
  }

  private func encode(_ segmenter: inout Segmenter) {
    let out = memory.out
    while !segmenter.isDone {
      let (bytes, used) = out.next(&segmenter, header: out.headers, pieces: out.pieces)
      guard let to = queue.extend(bytes + framing.size) else { return }
      framing.store(bytes, to: to)
      memcpy(to + framing.size, out.headers, segmenter.headerLength)
      var at = to + framing.size + segmenter.headerLength
      for i in 0..<used {
        guard let base = out.pieces[i].iov_base else { continue }
        memcpy(at, base, out.pieces[i].iov_len)
        at += out.pieces[i].iov_len
      }
    }
  }

  /// Sends the queue and records the frame boundaries in it.
  func flushQueue() {
    let size = min(queue.count, sendAllowance)
    guard size > 0 else { return }
    var piece = iovec(iov_base: UnsafeMutableRawPointer(queue.bytes), iov_len: size)
    journal?.txBegin()
    let n = cplatform_send_vector(fd, &piece, 1)
    if n < 0, !Self.isFull(Int32(-n)) { return finish(Self.sendEnd(Int32(-n))) }
    let sent = max(0, n)
    let bytes = queue.bytes
    var at = 0
    var frames = 0
    while at < sent {
      if partialSent == 0 { partialLength = framing.length(bytes, at: at) }
      let rest = Int(partialLength) &+ framing.size &- Int(partialSent)
      let step = min(rest, sent &- at)
      at &+= step
      if step == rest {
        frames &+= 1
        partialLength = 0
        partialSent = 0
      } else {
        partialSent &+= UInt32(truncatingIfNeeded: step)
      }
    }
    journal?.txEnd(length: partialLength, sent: partialSent)
    queue.consume(sent)
    chargeSent(bytes: sent, packets: frames)
  }

  static func isFull(_ code: Int32) -> Bool {
    code == EAGAIN || code == ENOBUFS || code == ENOMEM
  }

  private static func sendEnd(_ code: Int32) -> PortEnd {
    code == EPIPE || code == ECONNRESET ? .closed : .system(call: "sendmsg", errno: code)
  }
}
