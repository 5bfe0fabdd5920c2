// SPDX-License-Identifier: Apache-2.0
//
// The host's table as Swift. A trivial value: copying it costs nothing, and a
// call through it is one indirect call. The table it points to is the
// instance's own zero-filled copy (see Tables.swift), freed after `destroy`.
//
// Threads: everything is [loop] unless marked [any].

import PluginAPI

/// What the host offers an instance.
public struct HostContext {
  /// The table, for code that is written against C.
  public let table: UnsafePointer<lnd_host>

  public init(table: UnsafePointer<lnd_host>) {
    self.table = table
  }

  @inlinable var context: UnsafeMutableRawPointer? { table.pointee.ctx }

  /// Severity of a log line.
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

  /// [any] Has `onWake` called on the loop thread.
  @inlinable public func wake() { table.pointee.wake(context) }

  /// What other threads may use: `log`, `wake` and `now`. Join the threads in
  /// `stop` or `deinit`; the host ignores a wake that comes during `destroy`.
  public var waker: Waker { Waker(table: table) }

  // MARK: fds and timers

  /// Watches `fd` for `events` (`LND_FD_READ`, `LND_FD_WRITE`); 0 when the
  /// kernel refuses. The fd stays the caller's: remove the watch, then close.
  @inlinable public func watch(_ fd: Int32, _ events: UInt32, user: UInt64) -> lnd_handle {
    var watch: lnd_handle = 0
    _ = table.pointee.fd_add(context, fd, events, user, &watch)
    return watch
  }

  /// Changes what is watched; `LND_ERR_NOT_FOUND` for a stale handle.
  @inlinable @discardableResult
  public func modify(_ watch: lnd_handle, _ events: UInt32) -> lnd_status {
    table.pointee.fd_modify(context, watch, events)
  }

  /// Ends a watch. Ignores a stale handle.
  @inlinable public func unwatch(_ watch: lnd_handle) {
    table.pointee.fd_remove(context, watch)
  }

  /// Has `onTimer` called once, at `deadline` (nanoseconds of `now`) or soon
  /// after; 0 when there are too many timers.
  @inlinable public func timer(at deadline: UInt64, user: UInt64) -> lnd_handle {
    table.pointee.timer_at(context, deadline, user)
  }

  /// Ignores a stale handle.
  @inlinable public func cancel(timer: lnd_handle) {
    table.pointee.timer_cancel(context, timer)
  }

  // MARK: frames

  /// Sends frames in order; returns how many were taken. After a short count
  /// `txReady` follows.
  @inlinable public func send(
    _ port: lnd_port, _ frames: UnsafePointer<lnd_frame>?, _ count: UInt32
  ) -> UInt32 {
    table.pointee.send(context, port, frames, count)
  }

  // MARK: results

  /// Says why the current callback fails; returns the status to return.
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

  /// Completes an operation the host asked for, exactly once.
  @inlinable public func complete(
    _ op: lnd_op, _ status: lnd_status = LND_OK, _ bytes: UnsafeRawBufferPointer? = nil
  ) {
    _ = table.pointee.op_done(
      context, op, status, bytes?.baseAddress?.assumingMemoryBound(to: UInt8.self),
      UInt64(bytes?.count ?? 0))
  }

  /// Completes an operation with a failure, whose text is the result.
  public func complete(_ op: lnd_op, failure: PluginFailure) {
    var text = failure.text
    text.withUTF8 { complete(op, failure.status, UnsafeRawBufferPointer($0)) }
  }

  /// Appends to the sink of the current call.
  public func write(_ sink: lnd_sink, _ text: String) {
    var text = text
    text.withUTF8 { _ = table.pointee.write(context, sink, $0.baseAddress, UInt64($0.count)) }
  }

  /// Appends bytes, as they are.
  public func write(_ sink: lnd_sink, _ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer {
      _ = table.pointee.write(context, sink, $0.baseAddress, UInt64($0.count))
    }
  }

  /// How a plugin says that it does.
  public enum State: UInt32, Sendable {
    case ok = 1
    /// Something it needs is not there yet.
    case connecting
    /// It works, but not in full.
    case degraded
    /// It cannot do its work until somebody helps.
    case failed
  }

  /// Tells users how it goes: `network ls` shows state and text, one line, until the next report.
  public func report(_ state: State, _ text: String = "") {
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        table.pointee.report(context, state.rawValue, $0.baseAddress, UInt64($0.count))
      }
    }
  }

  // MARK: extensions

  /// The host's side of an extension, zero-filled where the host is older;
  /// nil when it does not offer it.
  public func `extension`<Table: BitwiseCopyable>(_ id: String, as: Table.Type) -> Table? {
    guard let bytes = table.pointee.get_extension(context, id) else { return nil }
    return Tables.read(bytes, as: Table.self)
  }
}

/// [any] The three calls that every thread may make.
public struct Waker: Sendable {
  // The host promises that these three functions may be called from any thread
  // while the instance lives, and the table is never written.
  private nonisolated(unsafe) let table: UnsafePointer<lnd_host>

  init(table: UnsafePointer<lnd_host>) { self.table = table }

  /// Has `onWake` called on the loop thread.
  public func wake() { table.pointee.wake(table.pointee.ctx) }

  /// Monotonic time in nanoseconds.
  public var now: UInt64 { table.pointee.now_ns(table.pointee.ctx) }

  /// Writes a line to the network's log.
  public func log(_ level: HostContext.LogLevel, _ text: String) {
    HostContext(table: table).log(level, text)
  }
}
