// SPDX-License-Identifier: Apache-2.0
//
// A small TCP for tests: the guest's end of one connection. It buffers out-of-order data, sends SACK, retransmits by timer
// and by duplicate ACKs, and verifies the checksum of every segment. Implemented independently of the engine, so that the
// two do not share errors.

import Wire

@testable import NetStack

/// One end of a connection, in a guest.
struct GuestTCP {
  enum State { case closed, synSent, synReceived, listening, open, reset }

  let local: Endpoint
  let remote: Endpoint
  var state = State.closed
  var sack = true
  var mss: UInt16 = 1460
  var scale: UInt8 = 5
  /// Free space for bytes that the application has not read.
  var receiveRoom = 256 * 1024
  /// The application reads at once; otherwise `read` does.
  var readsAtOnce = true

  // Sending
  var iss: UInt32
  var una: UInt32
  var next: UInt32
  var out: [UInt8] = []
  var finishes = false
  var peerWindow = 0
  var peerScale: UInt8 = 0
  var rtoAt: UInt64?
  var rto: UInt64 = 300_000_000
  var duplicates = 0
  var finAcked = false

  // Receiving
  var irs: UInt32 = 0
  var rcvNext: UInt32 = 0
  var received: [UInt8] = []
  var unread = 0
  var kept: [(start: UInt32, bytes: [UInt8])] = []
  var finAt: UInt32?
  var peerFinished = false
  /// Starts of out-of-order ranges, the latest first.
  var latest: [UInt32] = []
  /// Data received twice, for the next ACK (RFC 2883 §4).
  var duplicate: SACKBlock?

  var badChecksums = 0
  /// Frames to be sent.
  var outbox: [[UInt8]] = []

  static let mac = MACAddress(0x52, 0x55, 0x55, 0x12, 0x34, 0x56)
  /// Its Ethernet address, for switches with several guests.
  var station = GuestTCP.mac
  static let gatewayMAC = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)

  init(local: Endpoint, remote: Endpoint, iss: UInt32) {
    self.local = local
    self.remote = remote
    self.iss = iss
    una = iss
    next = iss
  }

  // MARK: Sending

  mutating func connect(now: UInt64) {
    state = .synSent
    var options = TCPOptions()
    options.maximumSegmentSize = mss
    options.windowScale = scale
    options.sackPermitted = sack
    emit(sequence: iss, flags: .syn, payload: [], options: options, window: 65535)
    next = iss &+ 1
    rtoAt = now + rto
  }

  var freeRoom: Int { max(0, receiveRoom - unread - kept.reduce(0) { $0 + $1.bytes.count }) }

  /// All data and the FIN are sent and acknowledged.
  var isDoneSending: Bool { finAcked }

  mutating func emit(
    sequence: UInt32, flags: TCPFlags, payload: [UInt8], options: TCPOptions = TCPOptions(),
    window: UInt16? = nil
  ) {
    var options = options
    if sack {
      if let duplicate { options.sackBlocks.append(duplicate) }
      duplicate = nil
      for block in blocks { options.sackBlocks.append(block) }
    }
    let header = TCPHeader(
      sourcePort: local.port, destinationPort: remote.port, sequence: sequence,
      acknowledgement: flags.contains(.ack) ? rcvNext : 0, flags: flags,
      window: window ?? UInt16(min(65535, freeRoom >> Int(scale))), options: options)
    outbox.append(
      Frames.tcp(
        header, payload: payload, source: local.address, destination: remote.address,
        mac: station))
  }

  mutating func ack() { emit(sequence: next, flags: .ack, payload: []) }

  /// Sends what the window allows.
  mutating func pump(now: UInt64) {
    guard state == .open else { return }
    while true {
      let offset = Int(next &- iss &- 1)
      let inFlight = Int(next &- una)
      let room = peerWindow - inFlight
      guard offset < out.count, room > 0 else { break }
      let count = min(Int(mss), out.count - offset, room)
      let last = offset + count == out.count
      emit(
        sequence: next, flags: last ? [.ack, .psh] : .ack,
        payload: Array(out[offset..<offset + count]))
      next = next &+ UInt32(count)
      if rtoAt == nil { rtoAt = now + rto }
    }
    if finishes, Int(next &- iss &- 1) == out.count {
      emit(sequence: next, flags: [.ack, .fin], payload: [])
      next = next &+ 1
      if rtoAt == nil { rtoAt = now + rto }
    }
    // A closed window: probe it.
    if rtoAt == nil, Int(next &- iss &- 1) < out.count { rtoAt = now + rto }
  }

  mutating func timer(now: UInt64) {
    guard let at = rtoAt, at <= now else { return }
    rtoAt = nil
    switch state {
    case .synSent:
      connect(now: now)
    case .open:
      if una == next, Int(next &- iss &- 1) < out.count {
        // One byte beyond the window.
        let offset = Int(next &- iss &- 1)
        emit(sequence: next, flags: .ack, payload: [out[offset]])
        rtoAt = now + rto
        return
      }
      guard una != next else { return }
      next = una
      pump(now: now)
    default: break
    }
  }

  // MARK: Receiving

  mutating func read(_ count: Int) {
    let before = freeRoom
    unread = max(0, unread - count)
    if state == .open, before < Int(mss), freeRoom >= Int(mss) { ack() }
  }

  mutating func input(_ frame: [UInt8], now: UInt64) {
    guard let segment = Frames.tcp(in: frame, to: local, from: remote) else { return }
    guard segment.isChecksumGood else {
      badChecksums += 1
      return
    }
    let header = segment.header
    if header.flags.contains(.rst) {
      if state == .synSent ? header.acknowledgement == next : header.sequence == rcvNext {
        state = .reset
        rtoAt = nil
      }
      return
    }
    switch state {
    case .closed, .reset:
      // Nothing is here (RFC 9293 §3.10.7.1).
      emit(
        sequence: header.acknowledgement, flags: header.flags.contains(.ack) ? .rst : [.rst, .ack],
        payload: [])
    case .listening:
      guard header.flags.contains(.syn), !header.flags.contains(.ack) else { return }
      state = .synReceived
      learn(header)
      answerSyn()
    case .synReceived:
      if header.flags.contains(.syn) {
        answerSyn()
        return
      }
      guard header.acknowledgement == iss &+ 1 else { return }
      state = .open
      una = iss &+ 1
      next = una
      peerWindow = Int(header.window) << Int(peerScale)
      take(header, segment.payload, now: now)
    case .synSent:
      guard header.flags.contains(.syn), header.flags.contains(.ack),
        header.acknowledgement == iss &+ 1
      else { return }
      learn(header)
      una = iss &+ 1
      next = una
      state = .open
      rtoAt = nil
      peerWindow = Int(header.window)
      ack()
      pump(now: now)
    case .open:
      if header.flags.contains(.syn) {
        ack()
        return
      }
      take(header, segment.payload, now: now)
    }
  }

  private mutating func answerSyn() {
    var options = TCPOptions()
    options.maximumSegmentSize = mss
    options.windowScale = scale
    options.sackPermitted = sack
    emit(sequence: iss, flags: [.syn, .ack], payload: [], options: options, window: 65535)
    next = iss &+ 1
  }

  private mutating func learn(_ header: TCPHeader) {
    irs = header.sequence
    rcvNext = irs &+ 1
    peerScale = header.options.windowScale ?? 0
    if header.options.windowScale == nil { scale = 0 }
    if !header.options.sackPermitted { sack = false }
    peerWindow = Int(header.window)
  }

  private mutating func take(_ header: TCPHeader, _ payload: [UInt8], now: UInt64) {
    let ack = header.acknowledgement
    if Sequence32.less(una, ack), Sequence32.lessOrEqual(ack, iss &+ 2 &+ UInt32(out.count)) {
      una = ack
      if Sequence32.less(next, una) { next = una }
      duplicates = 0
      rtoAt = una == next ? nil : now + rto
      if finishes, Int(ack &- iss &- 1) == out.count + 1 { finAcked = true }
    } else if ack == una, payload.isEmpty, una != next {
      duplicates += 1
      if duplicates == 3 {
        let offset = Int(una &- iss &- 1)
        if offset < out.count {
          let count = min(Int(mss), out.count - offset)
          emit(sequence: una, flags: .ack, payload: Array(out[offset..<offset + count]))
        }
      }
    }
    peerWindow = Int(header.window) << Int(peerScale)
    keep(header, payload)
    pump(now: now)
  }

  private mutating func keep(_ header: TCPHeader, _ payload: [UInt8]) {
    if header.flags.contains(.fin) { finAt = header.sequence &+ UInt32(payload.count) }
    var isNews = header.flags.contains(.fin)
    if !payload.isEmpty {
      isNews = true
      noteDuplicate(header.sequence, header.sequence &+ UInt32(payload.count))
      var start = header.sequence
      var bytes = payload
      if Sequence32.less(start, rcvNext) {
        bytes = Array(bytes.dropFirst(Int(rcvNext &- start)))
        start = rcvNext
      }
      let offset = Int(start &- rcvNext)
      if !bytes.isEmpty, offset < receiveRoom - unread {
        bytes = Array(bytes.prefix(receiveRoom - unread - offset))
        insert(start, bytes)
        latest.insert(start, at: 0)
        if latest.count > 16 { latest.removeLast() }
      }
    } else if Sequence32.less(header.sequence, rcvNext) {
      isNews = true
    }
    while let first = kept.first, Sequence32.lessOrEqual(first.start, rcvNext) {
      let fresh = first.bytes.dropFirst(Int(rcvNext &- first.start))
      received += fresh
      if !readsAtOnce { unread += fresh.count }
      rcvNext = rcvNext &+ UInt32(fresh.count)
      kept.removeFirst()
    }
    if finAt == rcvNext, !peerFinished {
      peerFinished = true
      rcvNext = rcvNext &+ 1
    }
    if isNews { self.ack() }
  }

  /// The out-of-order ranges, the one that changed last first (RFC 2018 §4).
  private var blocks: [SACKBlock] {
    guard !kept.isEmpty else { return [] }
    var ranges: [SACKBlock] = []
    for piece in kept {
      let end = piece.start &+ UInt32(piece.bytes.count)
      if ranges.last?.end == piece.start {
        ranges[ranges.count - 1].end = end
      } else {
        ranges.append(SACKBlock(start: piece.start, end: end))
      }
    }
    var list: [SACKBlock] = []
    for sequence in latest where list.count < 3 {
      let range = ranges.first {
        Sequence32.lessOrEqual($0.start, sequence) && Sequence32.less(sequence, $0.end)
      }
      if let range, !list.contains(range) { list.append(range) }
    }
    return list
  }

  private mutating func noteDuplicate(_ start: UInt32, _ end: UInt32) {
    let isKept = kept.contains {
      Sequence32.lessOrEqual($0.start, start)
        && Sequence32.lessOrEqual(end, $0.start &+ UInt32($0.bytes.count))
    }
    if Sequence32.lessOrEqual(end, rcvNext) || isKept {
      duplicate = SACKBlock(start: start, end: end)
    }
  }

  private mutating func insert(_ start: UInt32, _ bytes: [UInt8]) {
    // Sorted, without overlap: cut the new piece against what is there.
    var start = start
    var bytes = bytes
    var index = 0
    while index < kept.count, !bytes.isEmpty {
      let old = kept[index]
      let oldEnd = old.start &+ UInt32(old.bytes.count)
      let end = start &+ UInt32(bytes.count)
      if Sequence32.lessOrEqual(end, old.start) { break }
      if Sequence32.less(start, old.start) {
        let head = Int(old.start &- start)
        kept.insert((start, Array(bytes.prefix(head))), at: index)
        bytes = Array(bytes.dropFirst(head))
        start = old.start
        index += 1
        continue
      }
      if Sequence32.less(start, oldEnd) {
        let skip = min(bytes.count, Int(oldEnd &- start))
        bytes = Array(bytes.dropFirst(skip))
        start = start &+ UInt32(skip)
      }
      index += 1
    }
    if !bytes.isEmpty {
      kept.insert(
        (start, bytes), at: kept.firstIndex { Sequence32.less(start, $0.start) } ?? kept.count)
    }
  }
}
