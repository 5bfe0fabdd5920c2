// SPDX-License-Identifier: Apache-2.0
//
// Collects frames and hands them to the host in batches.
//
// A frame is a header in scratch memory followed by slices of memory that stays where
// it is until `flush` returns (chunks of a flow, a caller's datagram). Frames go to one
// link at a time, in order. When the host takes fewer than offered, the link is blocked
// until `txReady`: frames of TCP flows are given back to TCP, which sends those bytes again; single
// frames of others wait in a bounded queue (HeldFrames), and what does not fit there is dropped and
// counted. A switch takes fewer because one
// guest's port is full: then only that guest is blocked, and the frames to others go on.
// Flushed when full, after `flushBytes`, when another link is next, and at the end of
// each callback. Loop thread only.

import Wire

/// Frames on their way to one link.
package final class Transmitter {
  private static let maximumFrames = 128
  private static let maximumSlices = 1024
  private static let scratchBytes = 192 << 10
  /// Frames go out once this many bytes are collected: while they are still in the cache.
  private static let flushBytes = 512 << 10

  private let host: StackHost
  private let links: LinkTable
  /// Frames of TCP flows that were not taken, for `takeRefused`; nearly always none.
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

  /// Guests of a switch whose ports are full; nearly always none.
  private let blocked: UnsafeMutablePointer<MACAddress>
  private var blockedCount = 0
  private static let maximumBlocked = 64

  /// Frames that wait for links that are full; nearly always none.
  private var held: [UInt32: HeldQueue] = [:]

  /// A class, so that a dictionary can have it.
  private final class HeldQueue {
    var frames = HeldFrames()
  }

  /// Calls of `send` since the start.
  package private(set) var batches: UInt64 = 0

  /// Who is told when a frame was not taken.
  struct FrameOwner: BitwiseCopyable {
    /// Slot of a TCP flow; 0 for all other frames.
    var flow: UInt32
    /// Where the frame began in that flow.
    var sequence: UInt32
    /// Of a frame without a flow.
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

  /// Whether a guest's port is full, so that sending to it is in vain until `unblock`.
  @inline(__always)
  func isBlocked(_ mac: MACAddress) -> Bool {
    guard blockedCount > 0 else { return false }
    for index in 0..<blockedCount where blocked[index] == mac { return true }
    return false
  }

  /// The link takes frames again: for whom it takes none will show. What waited goes first.
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
    // Those that are refused are copied into a new queue.
    flush()
    withExtendedLifetime(queue) {}
  }

  /// Whether `takeRefused` has something to hand out.
  private(set) var hasRefused = false

  /// Hands out, once, the TCP flows whose frames were not taken, and where these began; in the order in
  /// which they were committed.
  func takeRefused(_ body: (_ flow: UInt32, _ sequence: UInt32) -> Void) {
    for owner in refused { body(owner.flow, owner.sequence) }
    refused.removeAll(keepingCapacity: true)
    hasRefused = false
  }

  /// Nothing can be said on this link any more.
  func forget(link: UInt32) { held[link] = nil }

  /// Makes room for one more frame to `link` with `byteCount` bytes of header (or of whole
  /// frame, up to Frame.maximumLength) and returns where to write it; nil when the link is blocked and
  /// the frame is none that waits. Nothing is sent before `commit`. May flush.
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

  /// Adds the prepared frame: `headerLength` bytes of scratch, then the slices given.
  /// The frame's `length`, `data` and `capacity` are filled in; flags and offload fields
  /// are the caller's.
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

  /// Sends what was collected. After it, memory lent to `commit` may be reused.
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

  /// Offers frames; returns the index of the first that was not taken.
  @inline(__always)
  private func send(_ state: UnsafeMutablePointer<Link>, from: Int, _ count: Int) -> Int {
    let taken = Int(
      host.send(state.pointee.port, frames + from, UInt32(truncatingIfNeeded: count &- from)))
    state.pointee.counters.sentFrames &+= UInt64(taken)
    return from &+ taken
  }

  /// The frame at `from` found its guest's port full. Gives back what is for that guest, sends the
  /// rest, and so on.
  private func sendAroundBlocked(
    _ state: UnsafeMutablePointer<Link>, from: Int, _ count: Int
  ) {
    var from = from
    var count = count
    while from < count {
      let mac = destination(from)
      // One beyond those that are remembered is found full again next time: only it has to wait.
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

  /// Where a frame goes: the header is in one piece, and the first.
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

  /// Keeps a frame until its link takes frames again; false when it is none that waits, or there is
  /// no room.
  private func hold(_ index: Int, _ state: UnsafeMutablePointer<Link>) -> Bool {
    guard owners[index].urgency != .none, frames[index].gsoType == .none else { return false }
    let queue = held[link] ?? HeldQueue()
    held[link] = queue
    return queue.frames.append(
      frames[index], owners[index].urgency, isShared: state.pointee.kind == .switch)
  }
}
