// SPDX-License-Identifier: Apache-2.0
//
// The functions of lnd_host. C functions without captures: `context` is the
// bridge. They check what they are given and hand it on.

import Platform
import PluginAPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

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
    return host
  }
}

/// Runs `body` with the bridge behind `context`, without retaining it.
@inline(__always)
func withBridge<Result>(
  _ context: Context?, else fallback: Result, _ body: (PluginBridge) -> Result
) -> Result {
  guard let context else { return fallback }
  return Unmanaged<PluginBridge>.fromOpaque(context)._withUnsafeGuaranteedRef(body)
}

/// The same for functions of the loop thread.
@inline(__always)
func onLoop<Result>(
  _ context: Context?, else fallback: Result, _ body: (PluginBridge) -> Result
) -> Result {
  withBridge(context, else: fallback) { $0.onLoop() ? body($0) : fallback }
}

/// Text of a plugin: bounded, repaired where it is not UTF-8.
func pluginText(_ text: UnsafePointer<CChar>?, _ length: UInt64) -> String {
  guard let text else { return "" }
  let count = Int(min(length, UInt64(HostLog.maximumLength)))
  return String(
    decoding: UnsafeRawBufferPointer(start: UnsafeRawPointer(text), count: count), as: UTF8.self)
}

/// Bytes of a reason: it stands in a column, in a log and in an error's line.
private let maximumReason: UInt64 = 512

/// The reason of a failure: one line, which says where it was cut.
func reasonText(_ text: UnsafePointer<CChar>?, _ length: UInt64) -> String {
  var line = pluginText(text, min(length, maximumReason))
  line = String(String.UnicodeScalarView(line.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
  return length > maximumReason ? line + " ..." : line
}

private func hostLog(
  _ context: Context?, _ level: UInt32, _ text: UnsafePointer<CChar>?, _ length: UInt64
) {
  withBridge(context, else: ()) { bridge in
    // A level of a later ABI is above the ones known here.
    let level = HostLog.Level(rawValue: level) ?? .error
    guard level >= bridge.log.minimum else { return }
    let text = pluginText(text, length)
    bridge.log.write(level, bridge.component, text)
  }
}

private func hostWake(_ context: Context?) { withBridge(context, else: ()) { $0.wake() } }

private func hostNow(_ context: Context?) -> UInt64 { MonotonicClock.now() }

private func hostAddFD(_ context: Context?, _ fd: Int32, _ events: UInt32, _ user: UInt64)
  -> lnd_handle
{
  onLoop(context, else: 0) { bridge in
    let interest = PollEvents(rawValue: events & (LND_FD_READ | LND_FD_WRITE))
    switch bridge.reactor.watch(fd, interest, .plugin, object: bridge.context, user: user) {
    case .success(let token): return token
    case .failure(let error):
      errno = error.rawValue
      return 0
    }
  }
}

private func hostModifyFD(_ context: Context?, _ watch: lnd_handle, _ events: UInt32)
  -> lnd_status
{
  onLoop(context, else: LND_ERR_INTERNAL) { bridge in
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
  onLoop(context, else: 0) { $0.timers.arm(deadline, user) }
}

/// One that has fired is no mistake: cancelling is how a plugin makes sure.
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
  // A failure that says "fine" would be taken for success.
  let code = code < 0 ? code : LND_ERR_INTERNAL
  return onLoop(context, else: code) { bridge in
    let pointer = pointer.map { String(String(cString: $0).prefix(256)) }
    bridge.fail(code, pointer, reasonText(text, length))
    return code
  }
}

private func hostOperationDone(
  _ context: Context?, _ operation: lnd_op, _ status: lnd_status, _ bytes: UnsafePointer<UInt8>?,
  _ length: UInt64
) {
  onLoop(context, else: ()) { bridge in
    guard let ended = bridge.operations.end(operation) else { return bridge.noteStale() }
    guard length <= UInt64(PluginBridge.sinkLimit) else {
      bridge.role?.operationDone(ended, LND_ERR_LIMIT, UnsafeRawBufferPointer(start: nil, count: 0))
      return
    }
    let result = UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : Int(length))
    bridge.role?.operationDone(ended, status, result)
  }
}

private func hostWrite(
  _ context: Context?, _ sink: lnd_sink, _ bytes: UnsafePointer<UInt8>?, _ length: UInt64
) {
  onLoop(context, else: ()) { bridge in
    guard bridge.sink?.id == sink else { return bridge.noteStale() }
    let held = bridge.sink?.bytes.count ?? 0
    guard let bytes, length <= UInt64(PluginBridge.sinkLimit - held) else {
      if length > 0 { bridge.sinkOverflowed = true }
      return
    }
    bridge.sink?.bytes.append(contentsOf: UnsafeBufferPointer(start: bytes, count: Int(length)))
  }
}

private func hostGetExtension(_ context: Context?, _ id: UnsafePointer<CChar>?) -> UnsafeRawPointer?
{
  onLoop(context, else: nil) { bridge in
    guard let text = id else { return nil }
    let id = String(cString: text)
    return id == LND_EXT_LOOPCHECK ? HostExtensions.loopCheck : bridge.role?.hostExtension(id)
  }
}
