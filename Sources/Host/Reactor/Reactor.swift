// SPDX-License-Identifier: Apache-2.0
//
// Reactor: the one loop of a network process. An iteration:
//
//   wait -> ports read and write, control, listeners
//        -> plugins: watched fds in one batch, timers, wake
//        -> the host's timers -> end of the iteration (deferred work of the owner)
//
// Watches are slots with generations: a token is generation << 32 | index, so that an event of a removed watch is
// recognised. Thread: loop only, except `waker`.

import Platform

/// The kind of a watch, which is also the type of its slot's `object` (unretained).
enum WatchKind: UInt8 {
  case none
  case port
  case plugin
  case control
  case listener
  case dns
  case terminate
}

/// The owner's part of an iteration.
protocol ReactorDelegate: AnyObject {
  func controlReady(_ events: PollEvents)
  func listenerReady(_ id: UInt64)
  func dnsReady(_ id: UInt64, _ events: PollEvents)
  func terminationRequested()
  func loopFailed(_ errno: Errno)
  /// All ports that were readable in this iteration have been read.
  func portsRead()
  func hostTimerFired(_ timer: HostTimer)
  /// Deferred work of the iteration. Returns the latest time to be called again (ns, monotonic), UInt64.max for
  /// never.
  func turnEnded() -> UInt64
}

enum HostTimer {
  case portRetry(UInt64)
  case probe(listener: UInt64)
  case probePorts
  case stopDeadline
  case retireDeadline(UInt64)
  case dnsSweep
  case startIsOver
  case probeRing
  case startDeadline(UInt64)
  case portGate(UInt64)

  /// Decodes a timer's payload: the kind in the top byte, the id in the rest. Ids of ports and listeners are far
  /// below 2^56.
  init?(_ payload: UInt64) {
    let id = payload & 0xff_ffff_ffff_ffff
    switch payload >> 56 {
    case 1: self = .portRetry(id)
    case 2: self = .probe(listener: id)
    case 3: self = .probePorts
    case 4: self = .stopDeadline
    case 5: self = .retireDeadline(id)
    case 6: self = .dnsSweep
    case 7: self = .startIsOver
    case 8: self = .probeRing
    case 9: self = .startDeadline(id)
    case 10: self = .portGate(id)
    default: return nil
    }
  }

  var payload: UInt64 {
    switch self {
    case .portRetry(let id): 1 << 56 | id & 0xff_ffff_ffff_ffff
    case .probe(let listener): 2 << 56 | listener & 0xff_ffff_ffff_ffff
    case .probePorts: 3 << 56
    case .stopDeadline: 4 << 56
    case .retireDeadline(let number): 5 << 56 | number & 0xff_ffff_ffff_ffff
    case .dnsSweep: 6 << 56
    case .startIsOver: 7 << 56
    case .probeRing: 8 << 56
    case .startDeadline(let number): 9 << 56 | number & 0xff_ffff_ffff_ffff
    case .portGate(let id): 10 << 56 | id & 0xff_ffff_ffff_ffff
    }
  }
}

package final class Reactor {
  struct Slot {
    var generation: UInt32 = 1
    var kind = WatchKind.none
    var fd: Int32 = -1
    var object: UnsafeMutableRawPointer?
    var user: UInt64 = 0
  }

  /// Maximum timers of a plugin that fire in one iteration, so that ports are not delayed.
  static let timersPerTurn = 256

  package let waker: Waker
  let heartbeat: Heartbeat
  /// Number of plugins so far, for the heartbeat.
  private var labels = 0
  /// The delegate owns the reactor, and so outlives it.
  unowned(unsafe) var delegate: (any ReactorDelegate)?
  private(set) var turns: UInt64 = 0
  private(set) var watchCount = 0

  private let poller: Poller
  private var slots: [Slot] = []
  private var free: [UInt32] = []
  /// The slot that watches an fd, by fd; -1: none.
  private var slotOfFD: [Int32] = []
  private var bridges: [PluginBridge] = []
  private var hostTimers = TimerHeap()
  private var wakeUpAt = UInt64.max
  private var stopped = false

  private static let wakeToken = UInt64.max

  package init(heartbeat: Heartbeat = Heartbeat()) throws(SystemError) {
    self.heartbeat = heartbeat
    poller = try Poller()
    waker = try Waker()
    _ = try check("epoll_ctl", poller.add(waker.readFD, .read, token: Self.wakeToken))
  }

  // MARK: Watches

  /// Watches an fd. `object` must outlive the watch. Returns the token, or
  /// -errno of the kernel's refusal as a failure.
  func watch(
    _ fd: Int32, _ interest: PollEvents, _ kind: WatchKind,
    object: UnsafeMutableRawPointer? = nil, user: UInt64 = 0
  ) -> Result<UInt64, Errno> {
    let index: Int
    if let reused = free.popLast() {
      index = Int(reused)
    } else {
      index = slots.count
      slots.append(Slot())
    }
    let token = UInt64(slots[index].generation) << 32 | UInt64(index)
    let code = poller.add(fd, interest, token: token)
    guard code == 0 else {
      free.append(UInt32(index))
      return .failure(Errno(-code))
    }
    claim(fd, by: index)
    slots[index].kind = kind
    slots[index].fd = fd
    slots[index].object = object
    slots[index].user = user
    watchCount += 1
    return .success(token)
  }

  /// Changes the interest; false for a token that is stale or not `object`'s.
  func modify(_ token: UInt64, _ interest: PollEvents, object: UnsafeMutableRawPointer?) -> Bool {
    guard let index = index(token), slots[index].object == object else { return false }
    return poller.modify(slots[index].fd, interest, token: token) == 0
  }

  /// Ends a watch; false for a token that is stale or not `object`'s.
  @discardableResult
  func unwatch(_ token: UInt64, object: UnsafeMutableRawPointer?) -> Bool {
    guard let index = index(token), slots[index].object == object else { return false }
    poller.remove(slots[index].fd)
    release(index)
    return true
  }

  private func release(_ index: Int) {
    slotOfFD[Int(slots[index].fd)] = -1
    let generation = slots[index].generation &+ 1
    slots[index] = Slot(generation: generation == 0 ? 1 : generation)
    free.append(UInt32(index))
    watchCount -= 1
  }

  /// The kernel accepted the fd although another watch has it: its owner closed the fd without removing the watch.
  /// That watch ends now, because its later removal would end the new one.
  private func claim(_ fd: Int32, by index: Int) {
    while slotOfFD.count <= Int(fd) { slotOfFD.append(-1) }
    let before = Int(slotOfFD[Int(fd)])
    if before >= 0 { release(before) }
    slotOfFD[Int(fd)] = Int32(index)
  }

  /// Whether a token still names a watch.
  @inline(__always)
  func isCurrent(_ token: UInt64) -> Bool { index(token) != nil }

  @inline(__always)
  private func index(_ token: UInt64) -> Int? {
    let index = Int(token & 0xffff_ffff)
    guard index < slots.count, slots[index].generation == UInt32(token >> 32),
      slots[index].kind != .none
    else { return nil }
    return index
  }

  // MARK: Timers and plugins

  func schedule(_ timer: HostTimer, at deadline: UInt64) {
    _ = hostTimers.arm(deadline, timer.payload)
  }

  /// Registers a plugin's name for the heartbeat.
  func label(_ plugin: String) -> UInt64 {
    defer { labels += 1 }
    return heartbeat.addPlugin(plugin, number: labels)
  }

  func add(_ bridge: PluginBridge) { bridges.append(bridge) }

  func remove(_ bridge: PluginBridge) { bridges.removeAll { $0 === bridge } }

  // MARK: The loop

  /// Iterates until `stop`.
  package func run() {
    while !stopped { turn() }
  }

  package func stop() { stopped = true }

  package func turn() {
    heartbeat.waits(turn: turns)
    let count = poller.wait(timeout: timeout())
    heartbeat.works(turn: turns)
    turns &+= 1
    if count < 0 { delegate?.loopFailed(Errno(Int32(truncatingIfNeeded: -count))) }
    for index in 0..<max(0, count) { dispatch(index) }
    delegate?.portsRead()
    for bridge in bridges { bridge.deliverEvents() }
    let now = MonotonicClock.now()
    for bridge in bridges {
      bridge.deliverTimers(now, limit: Self.timersPerTurn)
      bridge.deliverWake()
    }
    while let due = hostTimers.popDue(now) {
      if let timer = HostTimer(due.payload) { delegate?.hostTimerFired(timer) }
    }
    wakeUpAt = delegate?.turnEnded() ?? .max
  }

  private func dispatch(_ number: Int) {
    let (token, events) = poller.event(number)
    guard token != Self.wakeToken else { return waker.drain() }
    guard let index = index(token) else { return }
    let slot = slots[index]
    switch slot.kind {
    case .port:
      guard let object = slot.object else { return }
      // The port table keeps it alive until the end of the iteration.
      Unmanaged<Port>.fromOpaque(object)._withUnsafeGuaranteedRef { port in
        if events.callsForWrite { port.onWritable() }
        if events.callsForRead { port.onReadable() }
      }
    case .plugin:
      guard let object = slot.object else { return }
      Unmanaged<PluginBridge>.fromOpaque(object)._withUnsafeGuaranteedRef {
        $0.collect(token, slot.user, events)
      }
    case .control: delegate?.controlReady(events)
    case .listener: delegate?.listenerReady(slot.user)
    case .dns: delegate?.dnsReady(slot.user, events)
    case .terminate: delegate?.terminationRequested()
    case .none: break
    }
  }

  private func timeout() -> Int64 {
    guard !stopped else { return 0 }
    var next = min(wakeUpAt, hostTimers.next ?? .max)
    for bridge in bridges { next = min(next, bridge.nextDeadline) }
    guard next != .max else { return -1 }
    let now = MonotonicClock.now()
    return next > now ? Int64(clamping: next - now) : 0
  }
}
