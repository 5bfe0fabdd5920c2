// SPDX-License-Identifier: Apache-2.0
//
// Collects frames and passes them to the host in batches.
//
// A frame is a header in scratch memory followed by slices of memory that stays valid until `flush` returns (chunks
// of a flow, a caller's datagram). Frames are sent to one link at a time, in order. When the host accepts fewer than
// offered, the link is blocked until `txReady`: frames of TCP flows are returned to TCP, which sends those bytes
// again; single frames of others wait in a bounded queue (HeldFrames), and those without room there are dropped and
// counted. A switch accepts fewer because one guest's port is full: then only that guest is blocked, and the frames
// to others go on. Flushed when full, after `flushBytes`, when the link changes, and at the end of each callback.
// Loop thread only.

import Wire

/// Collected frames for one link.
package final class Transmitter {
  private static let maximumFrames = 128
  private static let maximumSlices = 1024
  private static let scratchBytes = 192 << 10
  /// Bytes after which the collected frames are sent: while they are still in the CPU cache.
  private static let flushBytes = 512 << 10

  private let host: StackHost
  private let links: LinkTable
  /// Frames of TCP flows that were not accepted, for `takeRefused`; rarely any.
  private var refused: [FrameOwner] = []
  private let frames: UnsafeMutablePointer<Frame>
  private let owners: UnsafeMutablePointer<FrameOwner>
  private let slices: UnsafeMutablePointer<FrameSlice>
  private let scratch: UnsafeMutableRawPointer
  private var frameCount = 0
  private var sliceCount = 0
  private var scratchUsed = 0
  private var byteCount = 0
  private var link: UInt32 = 0

  /// Guests of a switch whose ports are full; rarely any.
  private let blocked: UnsafeMutablePointer<MACAddress>
  private var blockedCount = 0
  private static let maximumBlocked = 64

  /// Queued frames for links that are full; rarely any.
  private var held: [UInt32: HeldQueue] = [:]

  /// A class, so that it can be a dictionary's value.
  private final class HeldQueue {
    var frames = HeldFrames()
  }

  /// Calls of `send` since the start.
  package private(set) var batches: UInt64 = 0

  /// The owner of a frame, notified when it was not accepted.
  struct FrameOwner: BitwiseCopyable {
    /// The slot of a TCP flow; 0 for all other frames.
    var flow: UInt32
    /// The frame's first sequence number in that flow.
    var sequence: UInt32
    /// For a frame without a flow.
    var urgency: FrameUrgency = .none
  }

  init(host: StackHost, links: LinkTable) {
    self.host = host
    self.links = links
    frames = .allocate(capacity: Self.maximumFrames)
    owners = .allocate(capacity: Self.maximumFrames)
    slices = .allocate(capacity: Self.maximumSlices)
    scratch = .allocate(byteCount: Self.scratchBytes, alignment: 64)
    blocked = .allocate(capacity: Self.maximumBlocked)
    blocked.initialize(repeating: .zero, count: Self.maximumBlocked)
  }

  deinit {
    frames.deallocate()
    owners.deallocate()
    slices.deallocate()
    scratch.deallocate()
    blocked.deallocate()
  }

  /// Whether a guest's port is full: frames to it are not accepted until `unblock`.
  @inline(__always)
  func isBlocked(_ mac: MACAddress) -> Bool {
    guard blockedCount > 0 else { return false }
    for index in 0..<blockedCount where blocked[index] == mac { return true }
    return false
  }

  /// The link accepts frames again; blocked guests are determined again. Queued frames are sent first.
  func unblock(link: UInt32) {
    links.pointer(link).pointee.isBlocked = false
    blockedCount = 0
    guard let queue = held.removeValue(forKey: link) else { return }
    flush()
    self.link = link
    queue.frames.forEach { frame, urgency in
      if frameCount == Self.maximumFrames { flush() }
      frames[frameCount] = frame
      owners[frameCount] = FrameOwner(flow: 0, sequence: 0, urgency: urgency)
      frameCount &+= 1
      byteCount &+= Int(frame.length)
    }
    // Frames that are refused again are copied into a new queue.
    flush()
    withExtendedLifetime(queue) {}
  }

  /// Whether `takeRefused` has entries.
  private(set) var hasRefused = false

  /// Enumerates and clears the TCP flows whose frames were not accepted, with the frames' first sequence numbers; in
  /// the order in which they were committed.
  func takeRefused(_ body: (_ flow: UInt32, _ sequence: UInt32) -> Void) {
    for owner in refused { body(owner.flow, owner.sequence) }
    refused.removeAll(keepingCapacity: true)
    hasRefused = false
  }

  /// Drops the queue of a link that is gone.
  func forget(link: UInt32) { held[link] = nil }

  /// Reserves room for one more frame to `link` with `byteCount` bytes of header (or of the whole frame, up to
  /// Frame.maximumLength) and returns where to write it; nil when the link is blocked and the frame may not be
  /// queued. Nothing is sent before `commit`. May flush.
  @inline(__always)
  package func prepare(link target: UInt32, byteCount: Int, waits: Bool = false)
    -> UnsafeMutableRawPointer?
  {
    if target != link || frameCount == Self.maximumFrames
      || sliceCount > Self.maximumSlices - Frame.maximumSlices
      || scratchUsed &+ byteCount > Self.scratchBytes || self.byteCount >= Self.flushBytes
    {
      flush()
      link = target
    }
    guard byteCount <= Self.scratchBytes, links.isTaken(target),
      waits || !links.pointer(target).pointee.isBlocked
    else { return nil }
    return scratch + scratchUsed
  }

  /// Adds the prepared frame: `headerLength` bytes of scratch memory, then the given slices. Fills in `length`,
  /// `data` and `capacity`; the caller sets flags and offload fields.
  @inline(__always)
  func commit(
    headerLength: Int, payload first: FrameSlice = FrameSlice(data: nil, length: 0),
    second: FrameSlice = FrameSlice(data: nil, length: 0), frame template: Frame = Frame(),
    flow: UInt32 = 0, sequence: UInt32 = 0, urgency: FrameUrgency = .none
  ) {
    guard frameCount < Self.maximumFrames else { return }
    var frame = template
    let header = UnsafePointer(
      (scratch + scratchUsed).assumingMemoryBound(to: UInt8.self))
    let length = headerLength &+ Int(first.length) &+ Int(second.length)
    frame.length = UInt32(truncatingIfNeeded: length)
    if first.length == 0 {
      frame.data = header
      frame.sliceCount = 0
    } else {
      let list = slices + sliceCount
      list[0] = FrameSlice(data: header, length: UInt64(headerLength))
      list[1] = first
      var count = 2
      if second.length > 0 {
        list[2] = second
        count = 3
      }
      sliceCount &+= count
      frame.data = UnsafeRawPointer(list).assumingMemoryBound(to: UInt8.self)
      frame.sliceCount = UInt32(truncatingIfNeeded: count)
      frame.flags.insert(.slices)
    }
    frames[frameCount] = frame
    owners[frameCount] = FrameOwner(flow: flow, sequence: sequence, urgency: urgency)
    frameCount &+= 1
    byteCount &+= length
    scratchUsed = (scratchUsed &+ headerLength &+ 15) & ~15
    if scratchUsed > Self.scratchBytes { scratchUsed = Self.scratchBytes }
  }

  /// Adds the prepared frame: `headerLength` bytes of scratch, then `count` pieces of payload with
  /// `payloadLength` bytes in all, fewer than Frame.maximumSlices.
  @inline(__always)
  package func commit(
    headerLength: Int, payloadLength: Int, frame template: Frame, pieces count: Int,
    _ piece: (Int) -> FrameSlice
  ) {
    guard frameCount < Self.maximumFrames, count < Frame.maximumSlices else { return }
    var frame = template
    let list = slices + sliceCount
    list[0] = FrameSlice(
      data: UnsafePointer((scratch + scratchUsed).assumingMemoryBound(to: UInt8.self)),
      length: UInt64(headerLength))
    for index in 0..<count { list[index &+ 1] = piece(index) }
    sliceCount &+= count &+ 1
    frame.length = UInt32(truncatingIfNeeded: headerLength &+ payloadLength)
    frame.data = UnsafeRawPointer(list).assumingMemoryBound(to: UInt8.self)
    frame.sliceCount = UInt32(truncatingIfNeeded: count &+ 1)
    frame.flags.insert(.slices)
    frames[frameCount] = frame
    owners[frameCount] = FrameOwner(flow: 0, sequence: 0)
    frameCount &+= 1
    byteCount &+= headerLength &+ payloadLength
    scratchUsed = min((scratchUsed &+ headerLength &+ 15) & ~15, Self.scratchBytes)
  }

  /// Sends the collected frames. Afterwards the memory passed to `commit` may be reused.
  package func flush() {
    guard frameCount > 0 else { return }
    let count = frameCount
    let target = link
    frameCount = 0
    sliceCount = 0
    scratchUsed = 0
    let bytes = byteCount
    byteCount = 0
    guard links.isTaken(target) else { return }
    let state = links.pointer(target)
    batches &+= 1
    state.pointee.counters.sentBytes &+= UInt64(bytes)
    if state.pointee.isBlocked {
      for index in 0..<count { refuse(index, state) }
      return
    }
    let taken = send(state, from: 0, count)
    guard taken < count else { return }
    if state.pointee.kind == .switch {
      sendAroundBlocked(state, from: taken, count)
    } else {
      state.pointee.isBlocked = true
      for index in taken..<count { refuse(index, state) }
    }
  }

  /// Offers frames; returns the index of the first that was not accepted.
  @inline(__always)
  private func send(_ state: UnsafeMutablePointer<Link>, from: Int, _ count: Int) -> Int {
    let taken = Int(
      host.send(state.pointee.port, frames + from, UInt32(truncatingIfNeeded: count &- from)))
    state.pointee.counters.sentFrames &+= UInt64(taken)
    return from &+ taken
  }

  /// The guest's port of the frame at `from` is full. Returns the frames to that guest to their owners, sends the
  /// rest, and repeats.
  private func sendAroundBlocked(
    _ state: UnsafeMutablePointer<Link>, from: Int, _ count: Int
  ) {
    var from = from
    var count = count
    while from < count {
      let mac = destination(from)
      // A guest beyond the maximum is found full again next time: only its own frames are delayed.
      if !isBlocked(mac), blockedCount < Self.maximumBlocked {
        blocked[blockedCount] = mac
        blockedCount &+= 1
      }
      var kept = from
      for index in from..<count {
        if destination(index) == mac {
          refuse(index, state)
        } else {
          frames[kept] = frames[index]
          owners[kept] = owners[index]
          kept &+= 1
        }
      }
      count = kept
      if from < count { from = send(state, from: from, count) }
    }
  }

  /// The destination address of a frame: the header is contiguous and first.
  private func destination(_ index: Int) -> MACAddress {
    let frame = frames[index]
    guard let data = frame.data else { return .zero }
    let raw = UnsafeRawPointer(data)
    let header =
      !frame.flags.contains(.slices)
      ? raw : raw.loadUnaligned(as: FrameSlice.self).data.map { UnsafeRawPointer($0) }
    guard let header else { return .zero }
    return ByteView(header, count: EthernetHeader.encodedLength)
      .macAddress(at: EthernetField.destination)
  }

  private func refuse(_ index: Int, _ state: UnsafeMutablePointer<Link>) {
    state.pointee.counters.sentBytes &-= UInt64(frames[index].length)
    let owner = owners[index]
    if owner.flow != 0 {
      refused.append(owner)
      hasRefused = true
    } else if !hold(index, state) {
      state.pointee.counters.sendDrops &+= 1
    }
  }

  /// Queues a frame until its link accepts frames again; false when it may not be queued, or there is no room.
  private func hold(_ index: Int, _ state: UnsafeMutablePointer<Link>) -> Bool {
    guard owners[index].urgency != .none, frames[index].gsoType == .none else { return false }
    let queue = held[link] ?? HeldQueue()
    held[link] = queue
    return queue.frames.append(
      frames[index], owners[index].urgency, isShared: state.pointee.kind == .switch)
  }
}
