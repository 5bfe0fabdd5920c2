// SPDX-License-Identifier: Apache-2.0
//
// Frames that found their link full and that no sender would retransmit: resets of unknown connections, ARP, ICMP,
// DHCP, single datagrams. They are queued here, as in a network card's queue, and sent first when the link accepts
// frames again. TCP flows keep their bytes themselves.
//
// Bounded: `capacity` bytes per link, of which datagrams get half, and one station behind a switch a quarter of each;
// frames beyond that are dropped. Memory is allocated while a link is full. Loop thread only.

import Wire

/// The treatment of a frame when its link is full.
enum FrameUrgency: UInt8 {
  /// Not queued: its TCP flow retransmits it, or its loss is tolerable (a GSO frame of datagrams).
  case none
  /// A datagram.
  case datagram
  /// A control message, whose loss would delay its receiver for long.
  case control
}

/// The queued frames of one link, oldest first.
struct HeldFrames: ~Copyable {
  static let capacity = 64 << 10
  /// Longer frames are dropped.
  static let longest = 2048

  private struct Record: BitwiseCopyable {
    var frame: Frame
    var urgency: UInt8
  }

  private let memory: UnsafeMutableRawPointer
  private var used = 0
  private var datagramBytes = 0
  private(set) var count = 0

  init() { memory = .allocate(byteCount: Self.capacity, alignment: 16) }

  deinit { memory.deallocate() }

  /// Copies a frame, whose data may be a list of slices. False when there is no room for it.
  /// - Parameter isShared: other stations are behind this link and have a share of the queue.
  mutating func append(_ frame: Frame, _ urgency: FrameUrgency, isShared: Bool) -> Bool {
    let length = Int(frame.length)
    let size = (MemoryLayout<Record>.stride + length + 15) & ~15
    guard urgency != .none, length <= Self.longest, length >= EthernetHeader.encodedLength,
      used + size <= Self.capacity, let data = frame.data
    else { return false }
    let limit = urgency == .datagram ? Self.capacity / 2 : Self.capacity
    guard urgency != .datagram || datagramBytes + size <= limit else { return false }
    let start = memory + used
    let bytes = start + MemoryLayout<Record>.stride
    if !frame.flags.contains(.slices) {
      bytes.copyMemory(from: data, byteCount: length)
    } else {
      let slices = UnsafeRawPointer(data).assumingMemoryBound(to: FrameSlice.self)
      var at = 0
      for index in 0..<Int(frame.sliceCount) {
        guard let piece = slices[index].data, at + Int(slices[index].length) <= length else {
          continue
        }
        (bytes + at).copyMemory(from: piece, byteCount: Int(slices[index].length))
        at += Int(slices[index].length)
      }
    }
    if isShared {
      let mac = ByteView(bytes, count: length).macAddress(at: EthernetField.destination)
      guard bytesHeld(for: mac, urgency) + size <= limit / 4 else { return false }
    }
    var record = Record(frame: frame, urgency: urgency.rawValue)
    record.frame.data = nil
    record.frame.sliceCount = 0
    record.frame.flags.remove(.slices)
    start.storeBytes(of: record, as: Record.self)
    used += size
    if urgency == .datagram { datagramBytes += size }
    count += 1
    return true
  }

  private func bytesHeld(for mac: MACAddress, _ urgency: FrameUrgency) -> Int {
    var sum = 0
    forEach { frame, itsUrgency in
      guard itsUrgency == urgency, let data = frame.data else { return }
      guard
        ByteView(data, count: Int(frame.length)).macAddress(at: EthernetField.destination) == mac
      else { return }
      sum += (MemoryLayout<Record>.stride + Int(frame.length) + 15) & ~15
    }
    return sum
  }

  /// Enumerates the frames in order; their bytes are in this object.
  func forEach(_ body: (Frame, FrameUrgency) -> Void) {
    var at = 0
    while at < used {
      let record = (memory + at).load(as: Record.self)
      var frame = record.frame
      frame.data = UnsafePointer(
        (memory + at + MemoryLayout<Record>.stride).assumingMemoryBound(to: UInt8.self))
      body(frame, FrameUrgency(rawValue: record.urgency) ?? .none)
      at += (MemoryLayout<Record>.stride + Int(frame.length) + 15) & ~15
    }
  }
}
