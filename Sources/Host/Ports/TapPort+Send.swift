// SPDX-License-Identifier: Apache-2.0
//
// Sending on a TAP: one writev per frame, or per segment where the device has no offloads. The queue holds records: a
// length (4 bytes, native order) and the bytes of one write.

import LibC
import PluginAPI

extension TapPort {
  /// The result of a write.
  enum Outcome {
    case sent
    /// EAGAIN: poll for writing.
    case full
    /// The kernel lacks memory: retry after a pause.
    case exhausted
    /// The kernel refuses this frame permanently.
    case refused
    /// The same, before the guest has ever sent anything: `count` makes it `refused`.
    case early
    /// The port has ended.
    case dead
  }

  /// Arranges a retry for when `state` may have ended.
  func wait(_ state: Outcome) {
    switch state {
    case .sent, .refused, .early: setInterest(.read)
    case .full: setInterest([.read, .write])
    case .exhausted:
      setInterest(.read)
      askRetry(after: Self.retryDelay)
    case .dead: break
    }
  }

  /// Sends frames until one is not accepted; returns how many were.
  func sendDirectly(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    for index in 0..<count {
      stop = sendFrame(frames + index)
      guard stop != .sent, stop != .refused else { continue }
      // The rest of a partly sent frame is in the queue.
      return queue.isEmpty ? index : index &+ 1
    }
    return count
  }

  /// Sends one frame. With `full` and `exhausted` nothing of it was sent, unless the queue is no longer empty: then
  /// it holds the rest.
  private func sendFrame(_ frame: UnsafePointer<lnd_frame>) -> Outcome {
    let shape = frame.shape
    let out = memory.out
    if shape == .malformed {
      counters.txMalformed &+= 1
      return .refused
    }
    if !needsSegmenter(frame, shape) {
      let outcome = writePieces(refer(frame, shape))
      guard outcome == .refused, shape == .segments, takesUDPSegments,
        UInt32(frame.pointee.gso_type) == LND_GSO_UDP_L4
      else { return count(outcome) }
      takesUDPSegments = false
    }
    guard var segmenter = Segmenter(frame, shape, template: out.template) else {
      counters.txMalformed &+= 1
      return .refused
    }
    if shape == .segments { counters.txSegmented &+= 1 }
    var isFirst = true
    while !segmenter.isDone {
      let pieces = refer(&segmenter)
      let outcome = count(writePieces(pieces))
      switch outcome {
      case .sent, .refused, .early: isFirst = false
      case .dead: return .dead
      case .full, .exhausted:
        if isFirst { return outcome }
        keepPieces(pieces)
        while !segmenter.isDone { keepPieces(refer(&segmenter)) }
        return outcome
      }
    }
    return .sent
  }

  @inline(__always)
  private func needsSegmenter(_ frame: UnsafePointer<lnd_frame>, _ shape: FrameShape) -> Bool {
    guard shape != .plain else { return false }
    return !takesOffloads
      || (!takesUDPSegments && UInt32(frame.pointee.gso_type) == LND_GSO_UDP_L4)
  }

  /// Adds a frame's iovecs to `out.pieces`, behind a vnet header if the device has one.
  @inline(__always)
  private func refer(_ frame: UnsafePointer<lnd_frame>, _ shape: FrameShape) -> Int {
    let out = memory.out
    var used = 0
    if vnetHeader {
      // Only a hint: how many bytes the kernel makes linear.
      let hint = Int(frame.pointee.hdr_len)
      VnetHeader.write(
        frame, shape,
        headers: hint <= Segmenter.headerMax && hint <= frame.pointee.length ? hint : 0,
        to: out.headers)
      out.pieces[0] = iovec(iov_base: out.headers, iov_len: VnetHeader.size)
      used = 1
    }
    var reader = PieceReader(frame)
    return used &+ reader.refer(Int(frame.pointee.length), into: out.pieces + used)
  }

  private func refer(_ segmenter: inout Segmenter) -> Int {
    let out = memory.out
    let front = vnetHeader ? VnetHeader.size : 0
    memset(out.headers, 0, front)
    let (_, used) = segmenter.next(header: out.headers + front, pieces: out.pieces + 1)
    out.pieces[0] = iovec(iov_base: out.headers, iov_len: front &+ segmenter.headerLength)
    return used &+ 1
  }

  @inline(__always)
  private func writePieces(_ count: Int) -> Outcome {
    let pieces = memory.out.pieces
    while true {
      let n =
        count == 1
        ? write(fd, pieces[0].iov_base, pieces[0].iov_len) : writev(fd, pieces, Int32(count))
      if n >= 0 { return .sent }
      if errno != EINTR { return writeFailed(errno) }
    }
  }

  private func writeFailed(_ code: Int32) -> Outcome {
    switch code {
    case EAGAIN: return .full
    case ENOBUFS, ENOMEM: return .exhausted
    case Self.noDevice, Self.noLink, ENODEV:
      finish(.closed)
      return .dead
    default:
      // EIO: the link is down; EINVAL: not for this device. Who brings its interface up after it came misses nothing of its own.
      if code == EIO, counters.rxFrames == 0 { return .early }
      return .refused
    }
  }

  private func count(_ outcome: Outcome) -> Outcome {
    if outcome == .early {
      counters.txEarly &+= 1
      return .refused
    }
    if outcome == .refused { counters.txRefused &+= 1 }
    return outcome
  }

  // MARK: The queue

  func encode(_ frame: UnsafePointer<lnd_frame>) {
    let shape = frame.shape
    guard shape != .malformed else {
      counters.txMalformed &+= 1
      return
    }
    if !needsSegmenter(frame, shape) { return keepPieces(refer(frame, shape)) }
    guard var segmenter = Segmenter(frame, shape, template: memory.out.template) else {
      counters.txMalformed &+= 1
      return
    }
    if shape == .segments { counters.txSegmented &+= 1 }
    while !segmenter.isDone { keepPieces(refer(&segmenter)) }
  }

  private func keepPieces(_ count: Int) {
    if !queue.appendRecord(memory.out.pieces, count) { counters.txQueueFull &+= 1 }
  }

  private func chargeRecord(_ bytes: UnsafePointer<UInt8>, _ length: Int) {
    guard vnetHeader else { return chargeSent(bytes: length, packets: 1) }
    let size = length &- VnetHeader.size
    let segment = VnetHeader.segmentSize(bytes)
    chargeSent(
      bytes: size, packets: segment == 0 ? 1 : max(1, (size &+ segment &- 1) / segment))
  }

  func flushQueue() -> Outcome {
    while sendAllowance > 0, let (bytes, length) = queue.firstRecord {
      memory.out.pieces[0] = iovec(iov_base: bytes, iov_len: length)
      let outcome = count(writePieces(1))
      guard outcome == .sent || outcome == .refused else { return outcome }
      if txGate.isActive { chargeRecord(bytes, length) }
      queue.consume(length + 4)
    }
    return .sent
  }
}
