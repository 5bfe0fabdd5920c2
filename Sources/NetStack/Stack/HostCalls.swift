// SPDX-License-Identifier: Apache-2.0
//
// The host's table (lnd_host) with what the stack needs proven to be there once,
// so that a call is one indirect jump. All on the loop thread.

import PluginAPI

/// The functions of `lnd_host` that the stack calls.
package struct HostCalls {
  package typealias Context = UnsafeMutableRawPointer?

  let context: Context
  private let sendFrames:
    @convention(c) (Context, lnd_port, UnsafePointer<lnd_frame>?, UInt32) -> UInt32
  private let now: @convention(c) (Context) -> UInt64
  private let addFD: @convention(c) (Context, Int32, UInt32, UInt64) -> lnd_handle
  private let modifyFD: @convention(c) (Context, lnd_handle, UInt32) -> lnd_status
  private let removeFD: @convention(c) (Context, lnd_handle) -> Void
  private let setTimer: @convention(c) (Context, UInt64, UInt64) -> lnd_handle
  private let cancelTimer: @convention(c) (Context, lnd_handle) -> Void
  private let writeLog: (@convention(c) (Context, UInt32, UnsafePointer<CChar>?, UInt64) -> Void)?

  /// Nil when the table lacks one of them.
  package init?(_ table: UnsafePointer<lnd_host>) {
    let host = table.pointee
    guard let send = host.send, let now = host.now_ns, let add = host.fd_add,
      let modify = host.fd_modify, let remove = host.fd_remove, let timer = host.timer_at,
      let cancel = host.timer_cancel
    else { return nil }
    context = host.ctx
    sendFrames = send
    self.now = now
    addFD = add
    modifyFD = modify
    removeFD = remove
    setTimer = timer
    cancelTimer = cancel
    writeLog = host.log
  }

  /// Monotonic time in nanoseconds.
  @inline(__always)
  package func nowNanoseconds() -> UInt64 { now(context) }

  /// Sends frames; returns how many were taken.
  @inline(__always)
  package func send(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: UInt32) -> UInt32
  {
    min(sendFrames(context, port, frames, count), count)
  }

  /// Watches an fd; 0 when the kernel refuses. `events` are LND_FD_READ and LND_FD_WRITE.
  package func watch(_ fd: Int32, events: UInt32, token: EventToken) -> lnd_handle {
    addFD(context, fd, events, token.rawValue)
  }

  /// Changes what is watched.
  package func modify(_ watch: lnd_handle, events: UInt32) {
    _ = modifyFD(context, watch, events)
  }

  /// Ends a watch; before the fd is closed. Ignores 0.
  package func unwatch(_ watch: lnd_handle) {
    if watch != 0 { removeFD(context, watch) }
  }

  func timer(at deadline: UInt64) -> lnd_handle { setTimer(context, deadline, 0) }

  func cancel(timer: lnd_handle) {
    if timer != 0 { cancelTimer(context, timer) }
  }

  /// Writes a line to the network's log. Cold paths only.
  /// - Parameter level: LND_LOG_*.
  package func log(_ level: UInt32, _ text: String) {
    guard let writeLog else { return }
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        writeLog(context, level, $0.baseAddress, UInt64($0.count))
      }
    }
  }
}
