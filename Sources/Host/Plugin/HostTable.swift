// SPDX-License-Identifier: Apache-2.0
//
// The functions of lnd_host: C functions without captures, whose `context` is the bridge. They check their arguments and
// pass them on.

import LibC
import Platform
import PluginAPI

typealias Context = UnsafeMutableRawPointer

enum HostTable {
  static func make(context: Context) -> lnd_host {
    var host = lnd_host()
    host.size = UInt32(MemoryLayout<lnd_host>.stride)
    host.abi_minor = UInt32(LND_ABI_MINOR)
    host.ctx = context
    host.log = hostLog
    host.wake = hostWake
    host.now_ns = hostNow
    host.fd_add = hostAddFD
    host.fd_modify = hostModifyFD
    host.fd_remove = hostRemoveFD
    host.timer_at = hostTimerAt
    host.timer_cancel = hostTimerCancel
    host.send = hostSend
    host.fail = hostFail
    host.op_done = hostOperationDone
    host.write = hostWrite
    host.get_extension = hostGetExtension
    host.report = hostReport
    return host
  }
}

/// Calls `body` with the bridge of `context`, without retaining it.
@inline(__always)
func withBridge<Result>(
  _ context: Context?, else fallback: Result, _ body: (PluginBridge) -> Result
) -> Result {
  guard let context else { return fallback }
  return Unmanaged<PluginBridge>.fromOpaque(context)._withUnsafeGuaranteedRef(body)
}

/// The same for functions that only the loop thread may call.
@inline(__always)
func onLoop<Result>(
  _ context: Context?, else fallback: Result, _ body: (PluginBridge) -> Result
) -> Result {
  withBridge(context, else: fallback) { $0.onLoop() ? body($0) : fallback }
}

/// Text from a plugin: bounded, invalid UTF-8 replaced.
func pluginText(_ text: UnsafePointer<CChar>?, _ length: UInt64) -> String {
  guard let text else { return "" }
  let count = Int(min(length, UInt64(HostLog.maximumLength)))
  return String(
    decoding: UnsafeRawBufferPointer(start: UnsafeRawPointer(text), count: count), as: UTF8.self)
}

/// Maximum bytes of a reason, which is shown in tables, logs and errors.
private let maximumReason = UInt64(LND_MAX_REASON)

/// The reason of a failure: one line, with a mark if it was cut off.
func reasonText(_ text: UnsafePointer<CChar>?, _ length: UInt64) -> String {
  var line = pluginText(text, min(length, maximumReason))
  line = String(
    String.UnicodeScalarView(
      line.unicodeScalars.map {
        $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) ? " " : $0
      }))
  return length > maximumReason ? line + " ..." : line
}

private func hostLog(
  _ context: Context?, _ level: UInt32, _ text: UnsafePointer<CChar>?, _ length: UInt64
) {
  withBridge(context, else: ()) { bridge in
    // Levels of later ABI versions are above the known ones.
    let level = HostLog.Level(rawValue: level) ?? .error
    guard level >= bridge.log.minimum else { return }
    let text = pluginText(text, length)
    bridge.log.write(level, bridge.component, text)
  }
}

private func hostWake(_ context: Context?) { withBridge(context, else: ()) { $0.wake() } }

private func hostNow(_ context: Context?) -> UInt64 { MonotonicClock.now() }

private func hostAddFD(
  _ context: Context?, _ fd: Int32, _ events: UInt32, _ user: UInt64,
  _ watch: UnsafeMutablePointer<lnd_handle>?
) -> lnd_status {
  watch?.pointee = 0
  return onLoop(context, else: LND_ERR_MISUSE) { bridge in
    guard let watch, fd >= 0, bridge.mayWatch else {
      bridge.noteMisuse(
        "fd_add", "before start, without a descriptor, or without a place for the watch")
      return LND_ERR_MISUSE
    }
    let interest = PollEvents(rawValue: events & (LND_FD_READ | LND_FD_WRITE))
    switch bridge.reactor.watch(fd, interest, .plugin, object: bridge.context, user: user) {
    case .success(let token):
      watch.pointee = token
      return LND_OK
    case .failure(let error): return lnd_status(watching: error)
    }
  }
}

extension lnd_status {
  /// The reason why epoll_ctl(2) failed.
  fileprivate init(watching error: Errno) {
    switch error.rawValue {
    case EEXIST: self = LND_ERR_EXISTS
    case EPERM: self = LND_ERR_UNSUPPORTED
    case ENOMEM, ENOSPC: self = LND_ERR_LIMIT
    default: self = LND_ERR_SYSTEM
    }
  }
}

private func hostModifyFD(_ context: Context?, _ watch: lnd_handle, _ events: UInt32)
  -> lnd_status
{
  onLoop(context, else: LND_ERR_MISUSE) { bridge in
    let interest = PollEvents(rawValue: events & (LND_FD_READ | LND_FD_WRITE))
    if bridge.reactor.modify(watch, interest, object: bridge.context) { return LND_OK }
    bridge.noteStale()
    return LND_ERR_NOT_FOUND
  }
}

private func hostRemoveFD(_ context: Context?, _ watch: lnd_handle) {
  onLoop(context, else: ()) { bridge in
    if !bridge.reactor.unwatch(watch, object: bridge.context) { bridge.noteStale() }
  }
}

private func hostTimerAt(_ context: Context?, _ deadline: UInt64, _ user: UInt64) -> lnd_handle {
  onLoop(context, else: 0) { bridge in
    guard bridge.mayWatch else {
      bridge.noteMisuse("timer_at", "before start")
      return 0
    }
    return bridge.timers.arm(deadline, user)
  }
}

/// Cancelling a timer that has fired is allowed: plugins do so to be sure.
private func hostTimerCancel(_ context: Context?, _ timer: lnd_handle) {
  onLoop(context, else: ()) { _ = $0.timers.cancel(timer) }
}

private func hostSend(
  _ context: Context?, _ port: lnd_port, _ frames: UnsafePointer<lnd_frame>?, _ count: UInt32
) -> UInt32 {
  onLoop(context, else: count) { bridge in
    guard let frames, count > 0 else { return count }
    guard let network = bridge.network else {
      bridge.noteStale()
      return count
    }
    return network._withUnsafeGuaranteedRef { $0.send(port, frames, count) }
  }
}

private func hostFail(
  _ context: Context?, _ code: lnd_status, _ pointer: UnsafePointer<CChar>?,
  _ text: UnsafePointer<CChar>?, _ length: UInt64
) -> lnd_status {
  // A failure with a status that means success becomes an internal error.
  let code = code < 0 ? code : LND_ERR_INTERNAL
  return onLoop(context, else: code) { bridge in
    let pointer = pointer.map { String(String(cString: $0).prefix(256)) }
    bridge.fail(code, pointer, bridge.log.secrets.masked(reasonText(text, length)))
    return code
  }
}

private func hostOperationDone(
  _ context: Context?, _ operation: lnd_op, _ status: lnd_status, _ bytes: UnsafePointer<UInt8>?,
  _ length: UInt64
) -> lnd_status {
  onLoop(context, else: LND_ERR_MISUSE) { bridge in
    guard let ended = bridge.operations.end(operation) else {
      bridge.noteStale()
      return LND_ERR_NOT_FOUND
    }
    guard length <= UInt64(LND_MAX_RESULT) else {
      bridge.operationDone(
        ended, operation, LND_ERR_LIMIT, UnsafeRawBufferPointer(start: nil, count: 0))
      return LND_ERR_LIMIT
    }
    let result = UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : Int(length))
    // Positive statuses are reserved.
    bridge.operationDone(ended, operation, status > 0 ? LND_ERR_INTERNAL : status, result)
    return LND_OK
  }
}

private func hostWrite(
  _ context: Context?, _ sink: lnd_sink, _ bytes: UnsafePointer<UInt8>?, _ length: UInt64
) -> lnd_status {
  onLoop(context, else: LND_ERR_MISUSE) { bridge in
    guard bridge.sink?.id == sink else {
      bridge.noteStale()
      return LND_ERR_NOT_FOUND
    }
    guard length > 0 else { return LND_OK }
    guard let bytes else {
      bridge.noteMisuse("write", "with bytes at NULL")
      return LND_ERR_MISUSE
    }
    let held = bridge.sink?.bytes.count ?? 0
    guard length <= UInt64(PluginBridge.sinkLimit - held) else {
      bridge.sinkOverflowed = true
      return LND_ERR_LIMIT
    }
    bridge.sink?.bytes.append(contentsOf: UnsafeBufferPointer(start: bytes, count: Int(length)))
    return LND_OK
  }
}

private func hostReport(
  _ context: Context?, _ state: UInt32, _ text: UnsafePointer<CChar>?, _ length: UInt64
) {
  onLoop(context, else: ()) { $0.report(state, $0.log.secrets.masked(reasonText(text, length))) }
}

private func hostGetExtension(_ context: Context?, _ id: UnsafePointer<CChar>?) -> UnsafeRawPointer?
{
  onLoop(context, else: nil) { bridge in
    guard let text = id else { return nil }
    let id = String(cString: text)
    return id == LND_EXT_LOOPCHECK ? HostExtensions.loopCheck : bridge.role?.hostExtension(id)
  }
}
