// SPDX-License-Identifier: Apache-2.0
//
// A host for tests: a manual clock, frames in an array, tables of watches and timers. Frames are returned as a guest
// receives them: GSO frames segmented, checksums completed.

import Wire

@testable import NetStack

/// A scripted host.
final class FakeHost {
  var now: UInt64 = 1_000_000_000
  /// Complete frames sent by the stack, oldest first.
  var frames: [[UInt8]] = []
  /// GSO frames and frames as they were sent, for tests of batching.
  var sendCalls = 0
  var rawFrames = 0
  /// Number of frames that the next `send` takes; nil: all.
  var sendRoom: Int?
  /// Destinations whose port behind the switch is full.
  var fullStations: Set<MACAddress> = []
  var watches: [UInt64: (fd: Int32, events: FDEvents, user: UInt64)] = [:]
  var refusesWatches = false
  /// Number of calls that changed a watch.
  var watchCalls = 0
  /// Called when the stack sends, before the frames are taken.
  var onSend: () -> Void = {}
  var timers: [UInt64: UInt64] = [:]
  var log: [String] = []
  /// Questions to the network's DNS, with their deadlines.
  var questions: [(op: OperationID, message: [UInt8], deadline: UInt64)] = []
  var cancelled: [OperationID] = []
  private var nextHandle: UInt64 = 1

  /// Valid as long as this object exists.
  var table: StackHost {
    StackHost(
      context: Unmanaged.passUnretained(self).toOpaque(),
      sendFrames: { context, _, frames, count in
        FakeHost.of(context).take(frames.assumingMemoryBound(to: Frame.self), Int(count))
      },
      now: { FakeHost.of($0).now },
      addFD: { context, fd, events, user, watch in
        let host = FakeHost.of(context)
        host.watchCalls += 1
        watch?.pointee = 0
        guard !host.refusesWatches else { return -1 }
        let handle = host.handle()
        host.watches[handle] = (fd, FDEvents(rawValue: UInt8(events)), user)
        watch?.pointee = handle
        return 0
      },
      modifyFD: { context, handle, events in
        FakeHost.of(context).watchCalls += 1
        FakeHost.of(context).watches[handle]?.events = FDEvents(rawValue: UInt8(events))
        return 0
      },
      removeFD: {
        FakeHost.of($0).watchCalls += 1
        FakeHost.of($0).watches[$1] = nil
      },
      setTimer: { context, deadline, _ in
        let host = FakeHost.of(context)
        let handle = host.handle()
        host.timers[handle] = deadline
        return handle
      },
      cancelTimer: { FakeHost.of($0).timers[$1] = nil },
      writeLog: { context, _, text, length in
        let bytes = UnsafeRawBufferPointer(start: text, count: Int(length))
        FakeHost.of(context).log.append(String(decoding: bytes, as: UTF8.self))
      })
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> FakeHost {
    guard let context else { preconditionFailure("a host function was called without its context") }
    return Unmanaged<FakeHost>.fromOpaque(context).takeUnretainedValue()
  }

  private func handle() -> UInt64 {
    nextHandle += 1
    return nextHandle
  }

  private func take(_ list: UnsafePointer<Frame>, _ count: Int) -> UInt32 {
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

  /// The frames that a guest receives: the segments of a GSO frame.
  static func segments(of frame: Frame) -> [[UInt8]] {
    var bytes: [UInt8] = []
    guard let data = frame.data else { return [] }
    if frame.flags.contains(.slices) {
      let slices = UnsafeRawPointer(data).assumingMemoryBound(to: FrameSlice.self)
      for index in 0..<Int(frame.sliceCount) {
        bytes += Array(
          UnsafeBufferPointer(start: slices[index].data, count: Int(slices[index].length)))
      }
    } else {
      bytes = Array(UnsafeBufferPointer(start: frame.data, count: Int(frame.length)))
    }
    precondition(bytes.count == Int(frame.length), "slices and length disagree")
    guard frame.gsoType != .none else {
      if frame.flags.contains(.needsChecksum) { complete(&bytes, frame) }
      return [bytes]
    }
    let header = Int(frame.headerLength)
    precondition(frame.gsoSize > 0 && header < bytes.count)
    var out: [[UInt8]] = []
    var at = header
    while at < bytes.count {
      let end = min(bytes.count, at + Int(frame.gsoSize))
      var segment = Array(bytes[..<header]) + bytes[at..<end]
      finishIP(&segment)
      let tcp = Int(frame.checksumStart)
      guard frame.gsoType != .udp else {
        finishUDP(&segment, at: tcp, frame)
        out.append(segment)
        at = end
        continue
      }
      let sequence = segment.withByteView { $0.uint32(at: tcp + 4) } &+ UInt32(at - header)
      for shift in 0..<4 { segment[tcp + 4 + shift] = UInt8(sequence >> (24 - shift * 8) & 0xff) }
      if end < bytes.count { segment[tcp + 13] &= ~0x09 }
      // The pseudo header again, with this segment's own length.
      let pseudo = pseudoHeader(segment, 6, length: segment.count - tcp)
      segment[tcp + 16] = UInt8(pseudo >> 8)
      segment[tcp + 17] = UInt8(pseudo & 0xff)
      complete(&segment, frame)
      out.append(segment)
      at = end
    }
    return out
  }

  private static let ip = 14

  /// Sets the length of a packet of a GSO frame, and its header's checksum.
  private static func finishIP(_ segment: inout [UInt8]) {
    guard segment[ip] >> 4 == 4 else {
      let length = UInt16(segment.count - ip - 40)
      segment[ip + 4] = UInt8(length >> 8)
      segment[ip + 5] = UInt8(length & 0xff)
      return
    }
    let total = UInt16(segment.count - ip)
    segment[ip + 2] = UInt8(total >> 8)
    segment[ip + 3] = UInt8(total & 0xff)
    segment[ip + 10] = 0
    segment[ip + 11] = 0
    let sum = segment.withByteView { Checksum.of($0.slice(at: ip, count: 20)) }
    segment[ip + 10] = UInt8(sum >> 8)
    segment[ip + 11] = UInt8(sum & 0xff)
  }

  private static func pseudoHeader(_ frame: [UInt8], _ proto: UInt8, length: Int) -> UInt16 {
    frame.withByteView { view in
      let isV4 = view[ip] >> 4 == 4
      return Checksum(
        source: isV4 ? view.ipv4Address(at: ip + 12) : view.ipv6Address(at: ip + 8),
        destination: isV4 ? view.ipv4Address(at: ip + 16) : view.ipv6Address(at: ip + 24),
        protocolNumber: proto, length: length
      ).folded
    }
  }

  /// Sets the length of a datagram of a GSO frame, and its checksum.
  private static func finishUDP(_ segment: inout [UInt8], at udp: Int, _ frame: Frame) {
    let length = segment.count - udp
    segment[udp + 4] = UInt8(length >> 8)
    segment[udp + 5] = UInt8(length & 0xff)
    let pseudo = pseudoHeader(segment, 17, length: length)
    segment[udp + 6] = UInt8(pseudo >> 8)
    segment[udp + 7] = UInt8(pseudo & 0xff)
    complete(&segment, frame)
  }

  private static func complete(_ bytes: inout [UInt8], _ frame: Frame) {
    let start = Int(frame.checksumStart)
    let field = start + Int(frame.checksumOffset)
    let sum = bytes.withByteView { Checksum.of($0.dropFirst(start)) }
    bytes[field] = UInt8(sum >> 8)
    bytes[field + 1] = UInt8(sum & 0xff)
  }
}

extension FakeHost: DNSResolver {
  func query(_ message: ByteView, transport: QuestionTransport, deadline: UInt64) -> OperationID {
    let op = handle()
    questions.append((op, message.bytes, deadline))
    return op
  }

  func cancel(_ operation: OperationID) { cancelled.append(operation) }
}
