// SPDX-License-Identifier: Apache-2.0
//
// The host's function table in Swift. A trivial value: copying it costs nothing, and a call is one indirect call. It points
// to the instance's own zero-filled copy of the table (Tables.swift), which is freed after `destroy`.
//
// Threads: [loop] unless marked [any].

import PluginAPI

/// The host's functions for an instance.
public struct HostContext {
  /// The table, for code that uses the C API.
  public let table: UnsafePointer<lnd_host>

  public init(table: UnsafePointer<lnd_host>) {
    self.table = table
  }

  @inlinable var context: UnsafeMutableRawPointer? { table.pointee.ctx }

  /// Severity of a log message.
  public enum LogLevel: UInt32, Sendable {
    case trace = 0
    case debug
    case info
    case warn
    case error
  }

  /// [any] Writes a line to the network's log.
  public func log(_ level: LogLevel, _ text: String) {
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        table.pointee.log(context, level.rawValue, $0.baseAddress, UInt64($0.count))
      }
    }
  }

  /// [any] Monotonic time in nanoseconds.
  @inlinable public var now: UInt64 { table.pointee.now_ns(context) }

  /// [any] Causes a call of `onWake` on the loop thread.
  @inlinable public func wake() { table.pointee.wake(context) }

  /// The functions for other threads: `log`, `wake` and `now`. Threads must be joined in `stop` or `deinit`; the host
  /// ignores a wake during `destroy`.
  public var waker: Waker { Waker(table: table) }

  // MARK: fds and timers

  /// Watches `fd` for `events` (`LND_FD_READ`, `LND_FD_WRITE`); 0 if the kernel refuses. The caller still owns the
  /// descriptor, and removes the watch before closing it.
  @inlinable public func watch(_ fd: Int32, _ events: UInt32, user: UInt64) -> lnd_handle {
    var watch: lnd_handle = 0
    _ = table.pointee.fd_add(context, fd, events, user, &watch)
    return watch
  }

  /// Changes the events of a watch; `LND_ERR_NOT_FOUND` for a stale handle.
  @inlinable @discardableResult
  public func modify(_ watch: lnd_handle, _ events: UInt32) -> lnd_status {
    table.pointee.fd_modify(context, watch, events)
  }

  /// Ends a watch. A stale handle is ignored.
  @inlinable public func unwatch(_ watch: lnd_handle) {
    table.pointee.fd_remove(context, watch)
  }

  /// Causes one call of `onTimer` at `deadline` (nanoseconds of `now`) or soon after; 0 if there are too many timers.
  @inlinable public func timer(at deadline: UInt64, user: UInt64) -> lnd_handle {
    table.pointee.timer_at(context, deadline, user)
  }

  /// Cancels a timer. A stale handle is ignored.
  @inlinable public func cancel(timer: lnd_handle) {
    table.pointee.timer_cancel(context, timer)
  }

  // MARK: frames

  /// Sends frames in order; returns the number taken. After a smaller number `txReady` follows.
  @inlinable public func send(
    _ port: lnd_port, _ frames: UnsafePointer<lnd_frame>?, _ count: UInt32
  ) -> UInt32 {
    table.pointee.send(context, port, frames, count)
  }

  // MARK: results

  /// Reports the reason why the current callback fails; returns the status to return.
  @discardableResult
  public func fail(_ failure: PluginFailure) -> lnd_status {
    var text = failure.text
    return text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { text in
        guard let pointer = failure.jsonPointer else {
          return table.pointee.fail(
            context, failure.status, nil, text.baseAddress, UInt64(text.count))
        }
        return pointer.withCString {
          table.pointee.fail(
            context, failure.status, $0, text.baseAddress, UInt64(text.count))
        }
      }
    }
  }

  /// Completes an operation requested by the host; exactly once.
  @inlinable public func complete(
    _ op: lnd_op, _ status: lnd_status = LND_OK, _ bytes: UnsafeRawBufferPointer? = nil
  ) {
    _ = table.pointee.op_done(
      context, op, status, bytes?.baseAddress?.assumingMemoryBound(to: UInt8.self),
      UInt64(bytes?.count ?? 0))
  }

  /// Completes an operation with a failure; its text is the result.
  public func complete(_ op: lnd_op, failure: PluginFailure) {
    var text = failure.text
    text.withUTF8 { complete(op, failure.status, UnsafeRawBufferPointer($0)) }
  }

  /// Appends text to the sink of the current call.
  public func write(_ sink: lnd_sink, _ text: String) {
    var text = text
    text.withUTF8 { _ = table.pointee.write(context, sink, $0.baseAddress, UInt64($0.count)) }
  }

  /// Appends bytes to the sink of the current call.
  public func write(_ sink: lnd_sink, _ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer {
      _ = table.pointee.write(context, sink, $0.baseAddress, UInt64($0.count))
    }
  }

  /// The state that a plugin reports.
  public enum State: UInt32, Sendable {
    case ok = 1
    /// Something that it needs is not available yet.
    case connecting
    /// It works with restrictions.
    case degraded
    /// It cannot work until a user intervenes.
    case failed
  }

  /// Reports the plugin's state: `network ls` shows it with the text, one line, until the next report.
  public func report(_ state: State, _ text: String = "") {
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        table.pointee.report(context, state.rawValue, $0.baseAddress, UInt64($0.count))
      }
    }
  }

  // MARK: extensions

  /// The host's table of an extension, zero-filled if the host's version is older; nil if the host does not have it.
  public func `extension`<Table: BitwiseCopyable>(_ id: String, as: Table.Type) -> Table? {
    guard let bytes = table.pointee.get_extension(context, id) else { return nil }
    return Tables.read(bytes, as: Table.self)
  }
}

/// [any] The three functions that every thread may call.
public struct Waker: Sendable {
  // The host guarantees that these functions may be called from any thread while the instance exists, and the table is
  // never modified.
  private nonisolated(unsafe) let table: UnsafePointer<lnd_host>

  init(table: UnsafePointer<lnd_host>) { self.table = table }

  /// Causes a call of `onWake` on the loop thread.
  public func wake() { table.pointee.wake(table.pointee.ctx) }

  /// Monotonic time in nanoseconds.
  public var now: UInt64 { table.pointee.now_ns(table.pointee.ctx) }

  /// Writes a line to the network's log.
  public func log(_ level: HostContext.LogLevel, _ text: String) {
    HostContext(table: table).log(level, text)
  }
}
