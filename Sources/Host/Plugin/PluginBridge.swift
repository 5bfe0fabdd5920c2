// SPDX-License-Identifier: Apache-2.0
//
// PluginBridge: one plugin instance and what the host keeps for it: its
// lnd_host table, watched fds, timers, operations, the open sink, the reason
// of a failure, and the events of this turn.
//
// Everything a plugin passes in is checked: handles by generation and owner,
// lengths, NULL, the calling thread. What is wrong is counted, never fatal.
//
// Lives to the end of the process: threads of a plugin may hold its address
// longer than they should. Thread: loop only, but for what says [any].

import CPlatform
import HostProtocol
import Platform
import PluginAPI
import Synchronization

package final class PluginBridge {
  /// A callback that takes longer is worth a line in the log: all guests wait
  /// meanwhile.
  static let slow = UInt64(LND_SLOW_MS) * 1_000_000
  /// Bytes that `write` may collect in one sink.
  static let sinkLimit = Int(LND_MAX_WRITE)

  let name: String
  let component: String
  let log: HostLog
  let reactor: Reactor
  let thread: ThreadID
  /// What the plugin gets; valid as long as the bridge.
  let table: UnsafeMutablePointer<lnd_host>
  private let staticName: UnsafePointer<CChar>
  private let heartbeat: Heartbeat
  /// This plugin's slot in it.
  private let label: UInt64

  /// The instance, once `create` has returned it.
  var instance: UnsafeMutableRawPointer?
  let callbacks: lnd_instance_ops
  /// Roles live as long as their bridges, for ever, and are used on the packet
  /// path: neither weak nor counted.
  unowned(unsafe) var role: (any PluginRole)?
  /// The role again when it is the network plugin's: `send` without a retain.
  var network: Unmanaged<NetworkPlugin>?

  var timers = TimerHeap(limit: Int(LND_MAX_TIMERS))
  var operations = OperationTable()
  var failure: HostError?
  /// What came of `start`, until it is taken.
  var startOutcome: Result<Void, HostError>?
  var isStarted = false
  /// `start` was called: it may watch descriptors and set timers.
  var mayWatch = false
  /// What it says of itself (LND_STATE_*), and who is told of a change.
  private(set) var state: (number: UInt32, text: String) = (LND_STATE_OK, "")
  var onReport: ((UInt32, String) -> Void)?
  var sink: (id: UInt64, bytes: [UInt8])?
  /// The sink took less than was written.
  var sinkOverflowed = false
  private var lastSink: UInt64 = 0
  private(set) var staleHandles: UInt64 = 0
  private(set) var slowCallbacks: UInt64 = 0
  private var slowLog = RateLimit(burst: 5, interval: 60_000_000_000)
  private var misuseLog = RateLimit(burst: 10, interval: 60_000_000_000)
  var statusLog = RateLimit(burst: 1, interval: 600_000_000_000)

  /// Tokens and events of this turn, side by side.
  private var tokens: [UInt64] = []
  private var events: [lnd_fd_event] = []

  // [any]
  let wakePending = Atomic<Bool>(false)
  let closed = Atomic<Bool>(false)
  let wrongThreadCalls = Atomic<UInt64>(0)

  init(
    name: String, kind: String, callbacks: lnd_instance_ops, log: HostLog, reactor: Reactor
  ) {
    self.name = name
    self.callbacks = callbacks
    self.component = "\(kind) plugin \(name)"
    self.log = log
    self.reactor = reactor
    thread = .current
    heartbeat = reactor.heartbeat
    label = reactor.label(component)
    table = ABITable.forever(lnd_host())
    staticName = HostIdentity.staticText(name)
    table.pointee = HostTable.make(context: Unmanaged.passUnretained(self).toOpaque())
    // See above: never freed.
    _ = Unmanaged.passRetained(self)
  }

  var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  // MARK: Calling the plugin

  /// Calls the plugin and keeps the time. `name` is the callback's.
  @inline(__always)
  func call<Result>(_ name: StaticString, _ body: () -> Result) -> Result {
    let start = MonotonicClock.now()
    plat_crash_context(
      staticName, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
    let outer = heartbeat.enter(label, name)
    let result = body()
    heartbeat.leave(for: outer)
    plat_crash_context(nil, nil)
    let spent = MonotonicClock.now() &- start
    if spent > Self.slow { noteSlow(name, spent) }
    return result
  }

  private func noteSlow(_ name: StaticString, _ spent: UInt64) {
    slowCallbacks &+= 1
    guard let unsaid = slowLog.admit(MonotonicClock.now()) else { return }
    let more = unsaid > 0 ? " (and \(unsaid) more like it)" : ""
    log.warning(component, "callback \(name) took \(spent / 1_000_000) ms\(more)")
  }

  /// Calls what may fail: an instance's `create`, `start`, `port_up`.
  func attempt(_ name: StaticString, _ body: () -> lnd_status) throws(HostError) {
    failure = nil
    let status = call(name, body)
    guard status != LND_OK else { return }
    throw takeFailure(status, name)
  }

  /// The reason the plugin gave with `fail`, or one made of its status.
  func takeFailure(_ status: lnd_status, _ name: StaticString) -> HostError {
    defer { failure = nil }
    if let failure { return failure }
    return HostError(
      HostError.Code(status), "\(name) failed with \(HostError.Code(status).rawValue)",
      plugin: self.name)
  }

  /// What a callback writes to its sink.
  func collect(_ name: StaticString, _ body: (lnd_sink) -> Void) -> [UInt8] {
    lastSink &+= 1
    sink = (lastSink, [])
    sinkOverflowed = false
    let id = lastSink
    call(name) { body(id) }
    defer { sink = nil }
    return sink?.bytes ?? []
  }

  // MARK: What a turn brings

  @inline(__always)
  func collect(_ token: UInt64, _ user: UInt64, _ ready: PollEvents) {
    tokens.append(token)
    events.append(lnd_fd_event(user: user, events: ready.rawValue, reserved: 0))
  }

  /// One `on_fds` for all of the turn, without those whose watch has ended
  /// since they were collected.
  func deliverEvents() {
    guard !events.isEmpty else { return }
    var kept = 0
    for index in events.indices where reactor.isCurrent(tokens[index]) {
      events[kept] = events[index]
      kept += 1
    }
    if kept > 0, let onFDs = callbacks.on_fds, let instance {
      events.withUnsafeBufferPointer { buffer in
        call("on_fds") { onFDs(instance, buffer.baseAddress, UInt32(kept)) }
      }
    }
    tokens.removeAll(keepingCapacity: true)
    events.removeAll(keepingCapacity: true)
  }

  func deliverTimers(_ now: UInt64, limit: Int) {
    var left = limit
    let armed = timers.lastArmed
    while left > 0, let timer = timers.popDue(now, armedUpTo: armed) {
      left -= 1
      guard let onTimer = callbacks.on_timer, let instance else { continue }
      call("on_timer") { onTimer(instance, timer.id, timer.payload) }
    }
  }

  func deliverWake() {
    guard wakePending.exchange(false, ordering: .acquiringAndReleasing),
      let onWake = callbacks.on_wake, let instance
    else { return }
    call("on_wake") { onWake(instance) }
  }

  var nextDeadline: UInt64 { timers.next ?? .max }

  // MARK: What a plugin says

  func fail(_ code: lnd_status, _ pointer: String?, _ text: String) {
    failure = HostError(
      HostError.Code(code), text.isEmpty ? "no reason given" : text, jsonPointer: pointer,
      plugin: name)
  }

  func noteStale() { staleHandles &+= 1 }

  /// A call that the header forbids. `how` is a part of a sentence.
  func noteMisuse(_ function: StaticString, _ how: @autoclosure () -> String) {
    staleHandles &+= 1
    guard let unsaid = misuseLog.admit(MonotonicClock.now()) else { return }
    let more = unsaid > 0 ? " (and \(unsaid) more like it)" : ""
    log.warning(component, "\(function) was called \(how())\(more)")
  }

  /// limanetd: `report`. A change of state is a line in the log.
  func report(_ number: UInt32, _ text: String) {
    guard (LND_STATE_OK...LND_STATE_FAILED).contains(number) else {
      return noteMisuse("report", "with a state that is none: \(number)")
    }
    guard state != (number, text) else { return }
    let isNew = state.number != number
    state = (number, text)
    if isNew {
      let word = Self.word(ofState: number)
      log.write(
        number == LND_STATE_OK ? .info : .warning, component,
        text.isEmpty ? "is \(word)" : "is \(word): \(text)")
    }
    onReport?(number, text)
  }

  static func word(ofState number: UInt32) -> String {
    switch number {
    case LND_STATE_CONNECTING: "connecting"
    case LND_STATE_DEGRADED: "degraded"
    case LND_STATE_FAILED: "failed"
    default: "ok"
    }
  }

  /// [any] False, and counted, when called from another thread than the loop.
  @inline(__always)
  func onLoop() -> Bool {
    if ThreadID.current == thread { return true }
    noteWrongThread()
    return false
  }

  private func noteWrongThread() {
    let before = wrongThreadCalls.add(1, ordering: .relaxed).oldValue
    guard before < 5 else { return }
    log.error(component, "called a [loop] function of the host from another thread; ignored")
  }

  /// [any]
  func wake() {
    guard !closed.load(ordering: .acquiring) else { return }
    if !wakePending.exchange(true, ordering: .acquiringAndReleasing) { reactor.waker.wake() }
  }
}

/// What differs: the network plugin's and the DNS plugin's side of lnd_host.
protocol PluginRole: AnyObject {
  func operationDone(
    _ operation: Operation, _ handle: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer)
  func hostExtension(_ id: String) -> UnsafeRawPointer?
}

extension HostError.Code {
  /// LND_ERR_*; an unknown one is INTERNAL.
  init(_ status: lnd_status) {
    switch status {
    case LND_ERR_INVALID_CONFIG: self = .invalidConfig
    case LND_ERR_UNSUPPORTED: self = .unsupported
    case LND_ERR_NOT_FOUND: self = .notFound
    case LND_ERR_EXISTS: self = .exists
    case LND_ERR_BUSY: self = .busy
    case LND_ERR_LIMIT: self = .limit
    case LND_ERR_TIMEOUT: self = .timeout
    case LND_ERR_REFUSED: self = .refused
    case LND_ERR_SYSTEM: self = .system
    case LND_ERR_DENIED: self = .denied
    default: self = .internal
    }
  }
}
