// SPDX-License-Identifier: Apache-2.0
//
// PluginBridge: one plugin instance with its resources in the host: the lnd_host table, watched descriptors, timers,
// operations, the open sink, the reason of a failure, and the events of this iteration.
//
// All arguments of a plugin are checked: handles by generation and owner, lengths, NULL, the calling thread. Violations are
// counted and never fatal.
//
// Never freed: a plugin's threads may keep its address too long. Thread: loop only, except where [any] is noted.

import CPlatform
import HostProtocol
import Platform
import PluginAPI
import Synchronization

package final class PluginBridge {
  /// Callbacks that take longer are logged, nanoseconds: all guests wait meanwhile.
  static let slow = UInt64(LND_SLOW_MS) * 1_000_000
  /// Maximum bytes of a sink.
  static let sinkLimit = Int(LND_MAX_WRITE)

  let name: String
  let component: String
  let log: HostLog
  let reactor: Reactor
  let thread: ThreadID
  /// The table passed to the plugin; valid as long as the bridge.
  let table: UnsafeMutablePointer<lnd_host>
  private let staticName: UnsafePointer<CChar>
  private let heartbeat: Heartbeat
  /// The plugin's slot in the heartbeat page.
  private let label: UInt64

  /// The instance that `create` returned.
  var instance: UnsafeMutableRawPointer?
  let callbacks: lnd_instance_ops
  /// Roles are never freed, as their bridges, and are used on the packet path: no weak and no counted reference.
  unowned(unsafe) var role: (any PluginRole)?
  /// The role if it is a network plugin: for `send` without a retain.
  var network: Unmanaged<NetworkPlugin>?

  var timers = TimerHeap(limit: Int(LND_MAX_TIMERS))
  var operations = OperationTable()
  var failure: HostError?
  /// The result of `start`, until it is taken.
  var startOutcome: Result<Void, HostError>?
  var isStarted = false
  /// `start` was called: the plugin may watch descriptors and set timers.
  var mayWatch = false
  /// The state reported by the plugin (LND_STATE_*), and the function called on a change.
  private(set) var state: (number: UInt32, text: String) = (LND_STATE_OK, "")
  var onReport: ((UInt32, String) -> Void)?
  var sink: (id: UInt64, bytes: [UInt8])?
  /// More was written to the sink than it may hold.
  var sinkOverflowed = false
  private var lastSink: UInt64 = 0
  private(set) var staleHandles: UInt64 = 0
  private(set) var slowCallbacks: UInt64 = 0
  private var slowLog = RateLimit(burst: 5, interval: 60_000_000_000)
  private var misuseLog = RateLimit(burst: 10, interval: 60_000_000_000)
  var statusLog = RateLimit(burst: 1, interval: 600_000_000_000)

  /// Tokens and events of this iteration, by index.
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
    // Never freed, see the head of this file.
    _ = Unmanaged.passRetained(self)
  }

  var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  // MARK: Calling the plugin

  /// Calls the plugin and measures the time. `name` is the callback's.
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

  /// Calls a function that may fail: an instance's `create`, `start`, `port_up`.
  func attempt(_ name: StaticString, _ body: () -> lnd_status) throws(HostError) {
    failure = nil
    let status = call(name, body)
    guard status != LND_OK else { return }
    throw takeFailure(status, name)
  }

  /// The reason that the plugin passed to `fail`, or one derived from the status.
  func takeFailure(_ status: lnd_status, _ name: StaticString) -> HostError {
    defer { failure = nil }
    if let failure { return failure }
    return HostError(
      HostError.Code(status), "\(name) failed with \(HostError.Code(status).rawValue)",
      plugin: self.name)
  }

  /// The bytes that a callback writes to its sink.
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

  /// Calls `on_fds` once for all events of the iteration, without those whose watch has ended since.
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

  /// Counts a call that violates the header's rules. `how` is part of a sentence.
  func noteMisuse(_ function: StaticString, _ how: @autoclosure () -> String) {
    staleHandles &+= 1
    guard let unsaid = misuseLog.admit(MonotonicClock.now()) else { return }
    let more = unsaid > 0 ? " (and \(unsaid) more like it)" : ""
    log.warning(component, "\(function) was called \(how())\(more)")
  }

  /// `lnd_host.report`. A change of state is logged.
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

  /// [any] False, and counted, if called from another thread than the loop's.
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

/// The differences between network and DNS plugins in lnd_host.
protocol PluginRole: AnyObject {
  func operationDone(
    _ operation: Operation, _ handle: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer)
  func hostExtension(_ id: String) -> UnsafeRawPointer?
}

extension HostError.Code {
  /// The error of an LND_ERR_*; `internal` for an unknown one.
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
