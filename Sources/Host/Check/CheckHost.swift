// SPDX-License-Identifier: Apache-2.0
//
// CheckHost: the host of one instance under test. It does what the real one does for a plugin, in the plainest way, and
// notes what a plugin does that it must not; each test judges its own kind of note. One for each instance: never
// released, since threads of a bad plugin may call it late.

import LibC
import Platform
import PluginAPI

final class CheckHost {
  /// What a plugin did that it must not.
  enum Offence: Hashable {
    case otherThread, stale, closedFD, afterDestroy, badFrame, spinning, twiceDone, misuse
  }

  struct Watch {
    var fd: Int32
    var events: UInt32
    var user: UInt64
    /// Of the file behind fd: another one means that fd was closed and used again.
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
  /// Get_extension finds nothing.
  var withoutExtensions = false
  /// `start` was called.
  var mayWatch = false
  /// `send` takes nothing.
  var isFull = false
  var watches: [lnd_handle: Watch] = [:]
  var timers: [lnd_handle: Timer] = [:]
  /// Ports that are up: guests', uplinks, the switch.
  var ports: Set<lnd_port> = []
  /// Uplinks whose `port_up` is due.
  var added: [lnd_port] = []
  /// Ops that the plugin has yet to complete.
  var pending: Set<lnd_op> = []
  var completed: [lnd_op: Completion] = [:]
  /// Ops that it asked for and the host completes in the next turn, with a failure.
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

  /// The first of a kind is kept.
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

  /// False where a function of the loop's is called by another thread, or after `destroy`: it does nothing then.
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

  /// For functions of every thread.
  func allowsAnywhere(_ function: String) -> Bool {
    guard !isDestroyed else {
      note(.afterDestroy, "\(function) was called after destroy had returned")
      return false
    }
    return true
  }

  // MARK: Loop

  /// For what is allowed from `start` on.
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

  /// Watches whose descriptor is not what it was.
  func lookAtWatches() {
    for watch in watches.values where Self.identity(of: watch.fd) != watch.identity {
      note(.closedFD, "descriptor \(watch.fd) was closed while it was watched")
    }
  }

  /// A port of the plugin's own, which the next turn tells it of (`port_up`).
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
      // A loop that waits for room would never end.
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
