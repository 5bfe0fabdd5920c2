// SPDX-License-Identifier: Apache-2.0
//
// Sending datagrams: a batch in as few sendmmsg calls as possible, headers from a pool, payload by reference. Short
// frames are padded (PortMemory.shortest). The queue holds records of one datagram each.

import LibC
import CPlatform
import Platform
import PluginAPI

extension DgramPort {
  enum Outcome {
    case sent
    /// The receiver or the socket is full.
    case full
    /// The kernel lacks buffers.
    case exhausted
    case dead
  }

  /// The messages of one sendmmsg.
  private struct Batch {
    var messages = 0
    var pieces = 0
    var headers = 0
    /// The frame of which some segments were already sent, or -1.
    var started: Int32 = -1

    @inline(__always) var isFull: Bool {
      messages == SendMemory.messageCount
        || pieces &+ Segmenter.pieceMax &+ 2 > PortMemory.pieces
        || headers &+ Segmenter.headerMax > SendMemory.headerBytes
    }

    @inline(__always)
    mutating func add(_ out: SendMemory, _ port: DgramPort, pieces used: Int, frame: Int) {
      out.unitFrame[messages] = Int32(truncatingIfNeeded: frame)
      port.address(out.messages + messages, out.pieces + pieces, used)
      messages &+= 1
      pieces &+= used
    }
  }

  @inline(__always)
  private func address(
    _ message: UnsafeMutablePointer<cplatform_message>, _ pieces: UnsafeMutablePointer<iovec>,
    _ count: Int
  ) {
    message.pointee.header.msg_name = peer.map { UnsafeMutableRawPointer($0) }
    message.pointee.header.msg_namelen = peerLength
    message.pointee.header.msg_iov = pieces
    message.pointee.header.msg_iovlen = .init(count)
  }

  func sendDirectly(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    let out = memory.out
    var batch = Batch()
    for index in 0..<count {
      let frame = frames + index
      let shape = frame.shape
      switch shape {
      case .malformed: counters.txMalformed &+= 1
      case .plain:
        if batch.isFull {
          if let stop = flush(batch) { return stop }
          batch = Batch()
        }
        let pieces = out.pieces + batch.pieces
        let used = refer(frame, out.headers + batch.headers, pieces)
        if frame.pointee.length < PortMemory.shortest { batch.headers &+= PortMemory.shortest }
        batch.add(out, self, pieces: used, frame: index)
      case .checksum, .segments:
        guard var segmenter = Segmenter(frame, shape, template: out.template) else {
          counters.txMalformed &+= 1
          continue
        }
        if shape == .segments { counters.txSegmented &+= 1 }
        while !segmenter.isDone {
          if batch.isFull {
            if let stop = flush(batch) {
              if stop == index &+ 1 { encode(&segmenter) }
              return stop
            }
            batch = Batch(started: Int32(truncatingIfNeeded: index))
          }
          let header = out.headers + batch.headers
          let used = segment(&segmenter, header, out.pieces + batch.pieces)
          batch.headers &+= segmenter.headerLength
          batch.add(out, self, pieces: used, frame: index)
        }
      }
    }
    return flush(batch) ?? count
  }

  /// Adds a frame without GSO; a short one is copied to `space` and padded. Returns the iovecs used.
  @inline(__always)
  private func refer(
    _ frame: UnsafePointer<lnd_frame>, _ space: UnsafeMutablePointer<UInt8>,
    _ pieces: UnsafeMutablePointer<iovec>
  ) -> Int {
    var reader = PieceReader(frame)
    let length = Int(frame.pointee.length)
    guard length < PortMemory.shortest else { return reader.refer(length, into: pieces) }
    reader.copyPadded(length, into: space)
    pieces[0] = iovec(iov_base: space, iov_len: PortMemory.shortest)
    return 1
  }

  private func segment(
    _ segmenter: inout Segmenter, _ header: UnsafeMutablePointer<UInt8>,
    _ pieces: UnsafeMutablePointer<iovec>
  ) -> Int {
    let (_, used) = memory.out.next(&segmenter, header: header, pieces: pieces + 1)
    pieces[0] = iovec(iov_base: header, iov_len: segmenter.headerLength)
    return used &+ 1
  }

  /// Nil when all were sent; otherwise the number of accepted frames, where the rest of the last may be in the queue;
  /// `stop` is the reason.
  private func flush(_ batch: Batch) -> Int? {
    let out = memory.out
    var at = 0
    while at < batch.messages {
      let n = sendSome(out.messages + at, batch.messages &- at)
      if n > 0 {
        at &+= n
        continue
      }
      stop = outcome(Int32(truncatingIfNeeded: -n))
      if stop == .sent {  // refused for good, and counted
        at &+= 1
        continue
      }
      let frame = out.unitFrame[at]
      let before = at == 0 ? batch.started : out.unitFrame[at &- 1]
      if before != frame { return Int(frame) }
      while at < batch.messages, out.unitFrame[at] == frame {
        let header = out.messages[at].header
        keepPieces(header.msg_iov, Int(header.msg_iovlen))
        at &+= 1
      }
      return Int(frame) &+ 1
    }
    return nil
  }

  /// One sendmmsg, limited to this guest's share of the send buffer. Returns the messages sent, or -errno.
  private func sendSome(_ messages: UnsafeMutablePointer<MessageBatchEntry>, _ count: Int) -> Int {
    guard let shared else { return Sockets.sendBatch(fd, messages, UInt32(count)) }
    let admitted = shared.admitted(messages, count, to: self)
    guard admitted > 0 else { return Int(-EAGAIN) }
    let sent = Sockets.sendBatch(fd, messages, UInt32(admitted))
    if sent > 0 {
      shared.sent(messages, sent, to: self)
    } else if sent == Int(-EAGAIN) {
      shared.full(self)
    }
    return sent
  }

  /// The meaning of an errno. `sent`: this datagram is lost, continue.
  func outcome(_ code: Int32) -> Outcome {
    switch code {
    case EAGAIN: return .full
    case ENOBUFS, ENOMEM: return .exhausted
    case ECONNREFUSED where survivesRefusal:
      counters.txRefused &+= 1
      return .sent
    case ECONNREFUSED, ENOENT, ENOTCONN, EPIPE, ECONNRESET:
      finish(peer == nil ? .closed : .unreachable)
      return .dead
    case EBADF, ENOTSOCK:
      finish(.system(call: "sendmmsg", errno: code))
      return .dead
    default:  // EMSGSIZE: larger than the socket's buffer
      counters.txRefused &+= 1
      return .sent
    }
  }

  // MARK: The queue

  func encode(_ frame: UnsafePointer<lnd_frame>) {
    let shape = frame.shape
    let out = memory.out
    switch shape {
    case .malformed: counters.txMalformed &+= 1
    case .plain:
      keepPieces(out.pieces, refer(frame, out.headers, out.pieces))
    case .checksum, .segments:
      guard var segmenter = Segmenter(frame, shape, template: out.template) else {
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
      keepPieces(out.pieces, segment(&segmenter, out.headers, out.pieces))
    }
  }

  private func keepPieces(_ pieces: UnsafePointer<iovec>, _ count: Int) {
    if !queue.appendRecord(pieces, count) { counters.txQueueFull &+= 1 }
  }

  func flushQueue() -> Outcome {
    let out = memory.out
    while !queue.isEmpty {
      let allowance = sendAllowance
      guard allowance > 0 else { return .sent }
      var messages = 0
      var offset = 0
      while messages < SendMemory.messageCount, offset < allowance,
        let (bytes, length) = queue.record(at: offset)
      {
        out.pieces[messages] = iovec(iov_base: bytes, iov_len: length)
        address(out.messages + messages, out.pieces + messages, 1)
        offset &+= length &+ 4
        messages &+= 1
      }
      let n = sendSome(out.messages, messages)
      var gone = max(0, n)
      if n < 0 {
        let state = outcome(Int32(truncatingIfNeeded: -n))
        if state != .sent { return state }
        gone = 1
      }
      for _ in 0..<gone {
        guard let (_, length) = queue.firstRecord else { break }
        queue.consume(length &+ 4)
        chargeSent(bytes: length, packets: 1)
      }
    }
    return .sent
  }
}
