// SPDX-License-Identifier: Apache-2.0
//
// The lnd_host functions of the check: C functions without captures, whose context is the CheckHost.

import LibC
import Platform
import PluginAPI

enum CheckTable {
  static func make(_ context: Context) -> lnd_host {
    var host = lnd_host()
    host.size = UInt32(MemoryLayout<lnd_host>.size)
    host.abi_minor = UInt32(LND_ABI_MINOR)
    host.ctx = context
    host.log = { context, _, text, length in
      anywhere(context, "log", else: ()) { host in
        let text = pluginText(text, length)
        // Only messages from the loop thread are kept: others would need the lock.
        if ThreadID.current == host.thread, host.logged.count < 100 { host.logged.append(text) }
      }
    }
    host.wake = { context in anywhere(context, "wake", else: ()) { $0.wake() } }
    host.now_ns = { _ in MonotonicClock.now() }
    host.fd_add = { context, fd, events, user, watch in
      watch?.pointee = 0
      return loop(context, "fd_add", else: LND_ERR_MISUSE) { host in
        guard host.mayBegin("fd_add"), let watch, fd >= 0 else { return LND_ERR_MISUSE }
        guard let identity = CheckHost.identity(of: fd) else { return LND_ERR_SYSTEM }
        if host.watches.values.contains(where: { $0.fd == fd && $0.identity == identity }) {
          return LND_ERR_EXISTS
        }
        let handle = host.nextID()
        host.watches[handle] = .init(fd: fd, events: events, user: user, identity: identity)
        watch.pointee = handle
        return LND_OK
      }
    }
    host.fd_modify = { context, watch, events in
      loop(context, "fd_modify", else: LND_ERR_INTERNAL) { host in
        host.lookAtWatches()
        guard host.watches[watch] != nil else {
          host.note(.stale, "fd_modify was called with a watch that has ended")
          return LND_ERR_NOT_FOUND
        }
        host.watches[watch]?.events = events
        return LND_OK
      }
    }
    host.fd_remove = { context, watch in
      loop(context, "fd_remove", else: ()) { host in
        host.lookAtWatches()
        if host.watches.removeValue(forKey: watch) == nil {
          host.note(.stale, "fd_remove was called with a watch that has ended")
        }
      }
    }
    host.timer_at = { context, deadline, user in
      loop(context, "timer_at", else: 0) { host in
        guard host.mayBegin("timer_at"), host.timers.count < Int(LND_MAX_TIMERS) else { return 0 }
        let handle = host.nextID()
        host.timers[handle] = .init(deadline: deadline, user: user)
        return handle
      }
    }
    // Cancelling a timer that has fired is allowed: plugins do so to be sure.
    host.timer_cancel = { context, timer in
      loop(context, "timer_cancel", else: ()) { _ = $0.timers.removeValue(forKey: timer) }
    }
    host.send = { context, port, frames, count in
      loop(context, "send", else: count) { host in
        let frames = UnsafeBufferPointer(start: frames, count: frames == nil ? 0 : Int(count))
        return UInt32(host.take(port, frames))
      }
    }
    host.fail = { context, code, pointer, text, length in
      loop(context, "fail", else: code) { host in
        let path = pointer.map { String(cString: $0) + ": " } ?? ""
        host.failure = path + pluginText(text, length)
        host.failureCode = code
        return code < 0 ? code : LND_ERR_INTERNAL
      }
    }
    host.op_done = { context, op, status, bytes, length in
      loop(context, "op_done", else: LND_ERR_MISUSE) { host in
        let bytes = UnsafeBufferPointer(
          start: bytes, count: bytes == nil ? 0 : Int(min(length, 65536)))
        let isOpen = host.pending.contains(op)
        if status > 0 {
          host.note(.misuse, "op_done was called with a positive status (\(status))")
        }
        host.end(op, status > 0 ? LND_ERR_INTERNAL : status, Array(bytes))
        return isOpen ? LND_OK : LND_ERR_NOT_FOUND
      }
    }
    host.write = { context, _, bytes, length in
      loop(context, "write", else: LND_ERR_MISUSE) { host in
        guard let bytes else { return length == 0 ? LND_OK : LND_ERR_MISUSE }
        guard UInt64(host.written.count) + length <= UInt64(LND_MAX_WRITE) else {
          return LND_ERR_LIMIT
        }
        host.written += UnsafeBufferPointer(start: bytes, count: Int(length))
        return LND_OK
      }
    }
    host.report = { context, state, _, _ in
      loop(context, "report", else: ()) { host in
        if !(LND_STATE_OK...LND_STATE_FAILED).contains(state) {
          host.note(.misuse, "report was called with a state that is none (\(state))")
        }
      }
    }
    host.get_extension = { context, id in
      loop(context, "get_extension", else: nil) { host in
        guard let id, !host.withoutExtensions else { return nil }
        return CheckExtensions.table(String(cString: id))
      }
    }
    return host
  }
}

/// Calls `body` with the context's host, if the plugin may call `function` at this time and on this thread.
func loop<Result>(
  _ context: Context?, _ function: String, else fallback: Result, _ body: (CheckHost) -> Result
) -> Result {
  guard let context else { return fallback }
  let host = Unmanaged<CheckHost>.fromOpaque(context).takeUnretainedValue()
  return host.allows(function) ? body(host) : fallback
}

private func anywhere<Result>(
  _ context: Context?, _ function: String, else fallback: Result, _ body: (CheckHost) -> Result
) -> Result {
  guard let context else { return fallback }
  let host = Unmanaged<CheckHost>.fromOpaque(context).takeUnretainedValue()
  return host.allowsAnywhere(function) ? body(host) : fallback
}
