// SPDX-License-Identifier: Apache-2.0
//
// CheckHost: the host of one instance under test. It does what the network process does for a plugin, in the simplest way,
// and records violations of the ABI's rules; each test judges violations of its own kind. One per instance, and never
// freed, since threads of a faulty plugin may call it late.

import LibC
import Platform
import PluginAPI

final class CheckHost {
  /// A violation of the ABI's rules.
  enum Offence: Hashable {
    case otherThread, stale, closedFD, afterDestroy, badFrame, spinning, twiceDone, misuse
  }

  struct Watch {
    var fd: Int32
    var events: UInt32
    var user: UInt64
    /// Hash of device and inode of fd: a change means that fd was closed and reused.
    var identity: UInt64
  }

  struct Timer {
    var deadline: UInt64
    var user: UInt64
  }

  struct Completion {
    var status: lnd_status
    var bytes: [UInt8]
  }

  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var offences: [Offence: String] = [:]
  private var wakes = 0
  let thread = ThreadID.current
  let table = ABITable.forever(lnd_host())

  // Loop thread only:
  var isDestroyed = false
  /// get_extension returns NULL.
  var withoutExtensions = false
  /// `start` was called.
  var mayWatch = false
  /// `send` takes nothing.
  var isFull = false
  var watches: [lnd_handle: Watch] = [:]
  var timers: [lnd_handle: Timer] = [:]
  /// Ports that are up: guests', uplinks', the switch's.
  var ports: Set<lnd_port> = []
  /// Uplinks whose `port_up` is pending.
  var added: [lnd_port] = []
  /// Operations that the plugin has not completed yet.
  var pending: Set<lnd_op> = []
  var completed: [lnd_op: Completion] = [:]
  /// Operations requested by the plugin; the host completes them with a failure in the next iteration.
  var asked: [lnd_op] = []
  var sent: [[UInt8]] = []
  var sendCalls = 0
  var written: [UInt8] = []
  var failure: String?
  var failureCode = LND_OK
  var logged: [String] = []
  private var lastID: UInt64 = 1 << 32

  init() {
    lock.initialize(to: pthread_mutex_t())
    pthread_mutex_init(lock, nil)
    table.pointee = CheckTable.make(Unmanaged.passRetained(self).toOpaque())
  }

  func nextID() -> UInt64 {
    lastID += 1
    return lastID
  }

  // MARK: Any thread

  private func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }

  /// Records the first violation of a kind.
  func note(_ offence: Offence, _ text: @autoclosure () -> String) {
    locked { if offences[offence] == nil { offences[offence] = text() } }
  }

  func offence(_ kind: Offence) -> String? { locked { offences[kind] } }

  func wake() { locked { wakes += 1 } }
  func takeWakes() -> Bool {
    locked {
      defer { wakes = 0 }
      return wakes > 0
    }
  }

  /// False if a function for the loop thread is called from another thread, or after `destroy`; the function then has no
  /// effect.
  func allows(_ function: String) -> Bool {
    guard ThreadID.current == thread else {
      note(.otherThread, "\(function) was called from another thread than the loop's")
      return false
    }
    guard !isDestroyed else {
      note(.afterDestroy, "\(function) was called after destroy had returned")
      return false
    }
    return true
  }

  /// The same for functions that any thread may call.
  func allowsAnywhere(_ function: String) -> Bool {
    guard !isDestroyed else {
      note(.afterDestroy, "\(function) was called after destroy had returned")
      return false
    }
    return true
  }

  // MARK: Loop

  /// The same for functions that are allowed from `start` on.
  func mayBegin(_ function: String) -> Bool {
    if mayWatch { return true }
    note(.misuse, "\(function) was called before start")
    return false
  }

  static func identity(of fd: Int32) -> UInt64? {
    var info = stat()
    guard fstat(fd, &info) == 0 else { return nil }
    return UInt64(truncatingIfNeeded: info.st_ino) &* 31 &+ UInt64(truncatingIfNeeded: info.st_dev)
  }

  /// Records watches whose descriptor refers to another file now.
  func lookAtWatches() {
    for watch in watches.values where Self.identity(of: watch.fd) != watch.identity {
      note(.closedFD, "descriptor \(watch.fd) was closed while it was watched")
    }
  }

  /// Adds a port of the plugin; its `port_up` is called in the next iteration.
  func addPort() -> lnd_port {
    let port = nextID()
    ports.insert(port)
    added.append(port)
    return port
  }

  func end(_ op: lnd_op, _ status: lnd_status, _ bytes: [UInt8]) {
    guard pending.remove(op) != nil else {
      if completed[op] != nil {
        note(.twiceDone, "op_done came twice for one op")
      } else {
        note(.stale, "op_done was called with an op that is none, or has been cancelled")
      }
      return
    }
    completed[op] = Completion(status: status, bytes: bytes)
  }

  func take(_ port: lnd_port, _ frames: UnsafeBufferPointer<lnd_frame>) -> Int {
    sendCalls += 1
    if !ports.contains(port) {
      note(.badFrame, "send was called for a port that is not up (\(port))")
      return frames.count
    }
    if isFull {
      if sendCalls > 10_000 { note(.spinning, "send was called 10,000 times on a full port") }
      // A plugin that sends in a loop until there is room would never return.
      if sendCalls > 20_000 {
        CheckMain.finish(.init(.fail, offence(.spinning)))
      }
      return 0
    }
    for frame in frames {
      switch CheckedFrame.read(frame) {
      case .success(let bytes): if sent.count < 4096 { sent.append(bytes) }
      case .failure(let problem): note(.badFrame, problem.text)
      }
    }
    return frames.count
  }
}
