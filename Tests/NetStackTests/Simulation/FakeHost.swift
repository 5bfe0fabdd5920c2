// SPDX-License-Identifier: Apache-2.0
//
// The host's side of the ABI for tests: a clock that stands still, frames in an array, watches
// and timers as tables. Frames are handed out as a guest would see them: super-frames
// cut into segments, checksums completed.

import PluginAPI
import Wire

@testable import NetStack

/// A scripted `lnd_host`.
final class FakeHost {
  let table: UnsafeMutablePointer<lnd_host>
  var now: UInt64 = 1_000_000_000
  /// Frames the stack sent, whole, oldest first.
  var frames: [[UInt8]] = []
  /// Super-frames and frames as they came, for tests of batching.
  var sendCalls = 0
  var rawFrames = 0
  /// So many frames are taken by the next `send`; nil for all.
  var sendRoom: Int?
  /// Destinations whose port behind the switch is full.
  var fullStations: Set<MACAddress> = []
  var watches: [UInt64: (fd: Int32, events: UInt32, user: UInt64)] = [:]
  var refusesWatches = false
  /// Calls that changed what is watched.
  var watchCalls = 0
  /// Called when the stack sends, before the frames are taken.
  var onSend: () -> Void = {}
  var timers: [UInt64: UInt64] = [:]
  var log: [String] = []
  /// What the network's DNS was asked, and until when.
  var questions: [(op: lnd_op, message: [UInt8], deadline: UInt64)] = []
  var cancelled: [lnd_op] = []
  private var nextHandle: UInt64 = 1

  // Reason for unsafe: a constant for all tests.
  nonisolated(unsafe) private static let dns: UnsafeMutablePointer<lnd_host_dns> = {
    let table = UnsafeMutablePointer<lnd_host_dns>.allocate(capacity: 1)
    table.initialize(
      to: lnd_host_dns(
        size: UInt32(MemoryLayout<lnd_host_dns>.size), reserved: 0,
        query: { ctx, query in
          guard let query = query?.pointee, let message = query.message else { return 0 }
          let host = FakeHost.of(ctx)
          let op = host.handle()
          host.questions.append(
            (
              op, Array(UnsafeBufferPointer(start: message, count: Int(query.length))),
              query.deadline_ns
            ))
          return op
        },
        cancel: { FakeHost.of($0).cancelled.append($1) }))
    return table
  }()

  init() {
    table = .allocate(capacity: 1)
    var host = lnd_host()
    host.size = UInt32(MemoryLayout<lnd_host>.size)
    host.ctx = Unmanaged.passUnretained(self).toOpaque()
    host.log = { ctx, _, text, length in
      let bytes = UnsafeRawBufferPointer(start: text, count: Int(length))
      FakeHost.of(ctx).log.append(String(decoding: bytes, as: UTF8.self))
    }
    host.now_ns = { FakeHost.of($0).now }
    host.fd_add = { ctx, fd, events, user in
      let host = FakeHost.of(ctx)
      host.watchCalls += 1
      guard !host.refusesWatches else { return 0 }
      let handle = host.handle()
      host.watches[handle] = (fd, events, user)
      return handle
    }
    host.fd_modify = { ctx, handle, events in
      FakeHost.of(ctx).watchCalls += 1
      FakeHost.of(ctx).watches[handle]?.events = events
      return 0
    }
    host.fd_remove = {
      FakeHost.of($0).watchCalls += 1
      FakeHost.of($0).watches[$1] = nil
    }
    host.timer_at = { ctx, deadline, _ in
      let host = FakeHost.of(ctx)
      let handle = host.handle()
      host.timers[handle] = deadline
      return handle
    }
    host.timer_cancel = { FakeHost.of($0).timers[$1] = nil }
    host.send = { ctx, _, frames, count in
      guard let frames else { return 0 }
      return FakeHost.of(ctx).take(frames, Int(count))
    }
    host.get_extension = { _, id in
      id.map { String(cString: $0) } == LND_EXT_DNS ? UnsafeRawPointer(FakeHost.dns) : nil
    }
    table.initialize(to: host)
  }

  deinit { table.deallocate() }

  private static func of(_ context: UnsafeMutableRawPointer?) -> FakeHost {
    guard let context else { preconditionFailure("a host function was called without its context") }
    return Unmanaged<FakeHost>.fromOpaque(context).takeUnretainedValue()
  }

  private func handle() -> UInt64 {
    nextHandle += 1
    return nextHandle
  }

  private func take(_ list: UnsafePointer<lnd_frame>, _ count: Int) -> UInt32 {
    sendCalls += 1
    onSend()
    var taken = 0
    while taken < count {
      if let room = sendRoom {
        guard room > 0 else { break }
        sendRoom = room - 1
      }
      if !fullStations.isEmpty, let frame = Self.segments(of: list[taken]).first,
        fullStations.contains(frame.withByteView { $0.macAddress(at: 0) })
      {
        break
      }
      rawFrames += 1
      frames.append(contentsOf: Self.segments(of: list[taken]))
      taken += 1
    }
    return UInt32(taken)
  }

  /// What a guest receives: one super-frame becomes many.
  static func segments(of frame: lnd_frame) -> [[UInt8]] {
    var bytes: [UInt8] = []
    guard let data = frame.data else { return [] }
    if frame.flags & UInt32(LND_FRAME_SLICES) != 0 {
      let slices = UnsafeRawPointer(data).assumingMemoryBound(to: lnd_slice.self)
      for index in 0..<Int(frame.capacity) {
        bytes += Array(
          UnsafeBufferPointer(start: slices[index].data, count: Int(slices[index].length)))
      }
    } else {
      bytes = Array(UnsafeBufferPointer(start: frame.data, count: Int(frame.length)))
    }
    precondition(bytes.count == Int(frame.length), "slices and length disagree")
    guard frame.gso_type != 0 else {
      if frame.flags & UInt32(LND_FRAME_NEEDS_CSUM) != 0 { complete(&bytes, frame) }
      return [bytes]
    }
    let header = Int(frame.hdr_len)
    precondition(frame.gso_size > 0 && header < bytes.count)
    var out: [[UInt8]] = []
    var at = header
    while at < bytes.count {
      let end = min(bytes.count, at + Int(frame.gso_size))
      var segment = Array(bytes[..<header]) + bytes[at..<end]
      let ip = 14
      let total = UInt16(segment.count - ip)
      segment[ip + 2] = UInt8(total >> 8)
      segment[ip + 3] = UInt8(total & 0xff)
      segment[ip + 10] = 0
      segment[ip + 11] = 0
      let sum = segment.withByteView { Checksum.of($0.slice(at: ip, count: 20)) }
      segment[ip + 10] = UInt8(sum >> 8)
      segment[ip + 11] = UInt8(sum & 0xff)
      let tcp = Int(frame.csum_start)
      guard UInt32(frame.gso_type) != LND_GSO_UDP_L4 else {
        finishUDP(&segment, at: tcp, ip: ip, frame)
        out.append(segment)
        at = end
        continue
      }
      let sequence = segment.withByteView { $0.uint32(at: tcp + 4) } &+ UInt32(at - header)
      for shift in 0..<4 { segment[tcp + 4 + shift] = UInt8(sequence >> (24 - shift * 8) & 0xff) }
      if end < bytes.count { segment[tcp + 13] &= ~0x09 }
      // The pseudo header again, with this segment's own length.
      let pseudo = segment.withByteView { view in
        Checksum(
          source: view.ipv4Address(at: ip + 12), destination: view.ipv4Address(at: ip + 16),
          protocolNumber: 6, length: segment.count - tcp
        ).folded
      }
      segment[tcp + 16] = UInt8(pseudo >> 8)
      segment[tcp + 17] = UInt8(pseudo & 0xff)
      complete(&segment, frame)
      out.append(segment)
      at = end
    }
    return out
  }

  /// The length of one datagram of a super-frame, and its checksum.
  private static func finishUDP(
    _ segment: inout [UInt8], at udp: Int, ip: Int, _ frame: lnd_frame
  ) {
    let length = segment.count - udp
    segment[udp + 4] = UInt8(length >> 8)
    segment[udp + 5] = UInt8(length & 0xff)
    let pseudo = segment.withByteView { view in
      Checksum(
        source: view.ipv4Address(at: ip + 12), destination: view.ipv4Address(at: ip + 16),
        protocolNumber: 17, length: length
      ).folded
    }
    segment[udp + 6] = UInt8(pseudo >> 8)
    segment[udp + 7] = UInt8(pseudo & 0xff)
    complete(&segment, frame)
  }

  private static func complete(_ bytes: inout [UInt8], _ frame: lnd_frame) {
    let start = Int(frame.csum_start)
    let field = start + Int(frame.csum_offset)
    let sum = bytes.withByteView { Checksum.of($0.dropFirst(start)) }
    bytes[field] = UInt8(sum >> 8)
    bytes[field + 1] = UInt8(sum & 0xff)
  }
}
