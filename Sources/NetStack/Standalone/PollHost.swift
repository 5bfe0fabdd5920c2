// SPDX-License-Identifier: Apache-2.0
//
// A simple host on poll(2): stacks in one thread, connected by links in memory. For examples, tests and small
// programs; a program with a loop of its own implements NetworkHost.
//
// A frame is copied once, from one stack's memory into a queue for the other. The queue is bounded; a stack that
// found it full is notified when there is room.

import LibC

/// Runs one stack; `PollHost.run` runs several together. One thread.
public final class PollHost: NetworkHost {
  /// The port id of the link to the peer, in each host's stack.
  public static let port: PortID = 1
  /// Maximum queued bytes for a stack.
  private static let capacity = 4 << 20

  private struct Watch {
    var fd: Int32
    var events: FDEvents
    var token: UInt64
  }

  private struct Arrived {
    var frame: Frame
    var bytes: [UInt8]
  }

  private weak var stack: Stack?
  private weak var peer: PollHost?
  private var watches: [HandleID: Watch] = [:]
  private var timer: (handle: HandleID, deadline: UInt64)?
  private var lastHandle: HandleID = 0
  private var arrived: [Arrived] = []
  private var arrivedBytes = 0
  /// The peer found the queue full and waits for `txReady`.
  private var owesReady = false

  public init() {}

  /// Sets the stack that this host runs; once, before `join`. The stack retains its host; the caller retains the
  /// stack.
  public func attach(_ stack: Stack) { self.stack = stack }

  /// Connects two hosts by a link.
  /// - Parameter mtu: bytes of IP packet.
  public static func join(_ a: PollHost, _ b: PollHost, mtu: UInt32 = 1500) {
    a.peer = b
    b.peer = a
    for host in [a, b] {
      _ = host.stack?.portUp(LinkInfo(port: port, mtu: mtu, offloads: [.checksum, .tcpV4]))
    }
  }

  // MARK: The loop

  /// Runs hosts until `isDone`, which is called in every iteration.
  public static func run(_ hosts: [PollHost], until isDone: () -> Bool) {
    while !isDone() {
      for host in hosts { host.deliver() }
      let watched = hosts.flatMap { host in host.watches.values.map { (host, $0) } }
      var list = watched.map { _, watch in
        pollfd(fd: watch.fd, events: watch.events.pollBits, revents: 0)
      }
      guard poll(&list, nfds_t(list.count), timeout(hosts)) >= 0 || errno == EINTR else { return }
      for host in hosts {
        host.report(
          zip(watched, list).filter { $0.0.0 === host && $0.1.revents != 0 }.map {
            FDEvent(token: $0.0.1.token, events: FDEvents(pollBits: $0.1.revents))
          })
        host.fireTimer()
      }
    }
  }

  /// Milliseconds until the next deadline, at most 10, so that `isDone` is called.
  private static func timeout(_ hosts: [PollHost]) -> Int32 {
    var wait: UInt64 = 10
    for host in hosts {
      if !host.arrived.isEmpty { return 0 }
      guard let deadline = host.timer?.deadline else { continue }
      let now = host.now
      wait = min(wait, deadline > now ? (deadline - now) / 1_000_000 + 1 : 0)
    }
    return Int32(wait)
  }

  private func deliver() {
    let batch = arrived
    arrived = []
    arrivedBytes = 0
    for item in batch {
      item.bytes.withUnsafeBufferPointer { bytes in
        var frame = item.frame
        frame.data = bytes.baseAddress
        frame.length = UInt32(bytes.count)
        stack?.rx(Self.port, &frame, 1)
      }
    }
    if owesReady {
      owesReady = false
      peer?.stack?.txReady(Self.port)
    }
  }

  private func report(_ events: [FDEvent]) {
    events.withUnsafeBufferPointer {
      if let base = $0.baseAddress, $0.count > 0 { stack?.onFDs(base, UInt32($0.count)) }
    }
  }

  private func fireTimer() {
    guard let due = timer, due.deadline <= now else { return }
    timer = nil
    stack?.onTimer(due.handle)
  }

  // MARK: NetworkHost

  public var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  public func send(_ frames: UnsafeBufferPointer<Frame>, to port: PortID) -> Int {
    guard let peer else { return frames.count }
    for (index, frame) in frames.enumerated() {
      guard peer.arrivedBytes + Int(frame.length) <= Self.capacity else {
        peer.owesReady = true
        return index
      }
      var copy = frame
      copy.data = nil
      copy.sliceCount = 0
      copy.flags.remove(.slices)
      peer.arrived.append(Arrived(frame: copy, bytes: frame.gathered))
      peer.arrivedBytes += Int(frame.length)
    }
    return frames.count
  }

  public func watch(_ fd: Int32, for events: FDEvents, token: UInt64) -> HandleID {
    lastHandle += 1
    watches[lastHandle] = Watch(fd: fd, events: events, token: token)
    return lastHandle
  }

  public func modify(_ watch: HandleID, for events: FDEvents) { watches[watch]?.events = events }

  public func unwatch(_ watch: HandleID) { watches[watch] = nil }

  public func setTimer(at deadline: UInt64) -> HandleID {
    lastHandle += 1
    timer = (lastHandle, deadline)
    return lastHandle
  }

  public func cancelTimer(_ handle: HandleID) {
    if timer?.handle == handle { timer = nil }
  }
}

extension Frame {
  /// A copy of the frame's bytes, contiguous.
  public var gathered: [UInt8] {
    guard let data else { return [] }
    guard flags.contains(.slices) else {
      return Array(UnsafeBufferPointer(start: data, count: Int(length)))
    }
    let slices = UnsafeRawPointer(data).assumingMemoryBound(to: FrameSlice.self)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(length))
    for index in 0..<Int(sliceCount) {
      bytes += UnsafeBufferPointer(start: slices[index].data, count: Int(slices[index].length))
    }
    return bytes
  }
}

extension FDEvents {
  fileprivate var pollBits: Int16 {
    Int16((contains(.read) ? POLLIN : 0) | (contains(.write) ? POLLOUT : 0))
  }

  fileprivate init(pollBits: Int16) {
    self = []
    let bits = Int32(pollBits)
    if bits & Int32(POLLIN) != 0 { insert(.read) }
    if bits & Int32(POLLOUT) != 0 { insert(.write) }
    if bits & Int32(POLLERR | POLLNVAL) != 0 { insert(.error) }
    if bits & Int32(POLLHUP) != 0 { insert([.hangup, .error]) }
  }
}
