// SPDX-License-Identifier: Apache-2.0
//
// The functions of StackHost as a protocol, for hosts that are objects. A call through it costs a few nanoseconds
// more, once per batch of frames.

/// Runs a stack: transfers its frames and delivers its events. Loop thread only.
public protocol NetworkHost: AnyObject {
  /// Monotonic time in nanoseconds.
  var now: UInt64 { get }

  /// Accepts frames that the stack sends to a link; they are borrowed for the call. Returns how many were accepted;
  /// the others are offered again after `Stack.txReady`.
  func send(_ frames: UnsafeBufferPointer<Frame>, to port: PortID) -> Int

  /// Watches a descriptor, level-triggered: `Stack.onFDs` is called with `token` while it is ready.
  /// Returns 0 when it cannot be watched.
  func watch(_ fd: Int32, for events: FDEvents, token: UInt64) -> HandleID
  func modify(_ watch: HandleID, for events: FDEvents)
  func unwatch(_ watch: HandleID)

  /// Calls `Stack.onTimer` with the returned id once `deadline` has passed. One timer at a time.
  func setTimer(at deadline: UInt64) -> HandleID
  func cancelTimer(_ timer: HandleID)

  func log(_ level: LogLevel, _ text: String)
}

extension NetworkHost {
  public func log(_ level: LogLevel, _ text: String) {}
}

/// Keeps a host alive while its table is used.
final class HostBox {
  let host: any NetworkHost

  init(_ host: any NetworkHost) { self.host = host }

  fileprivate static func host(_ context: StackHost.Context) -> any NetworkHost {
    // The table's own context, which the stack keeps with the table.
    Unmanaged<HostBox>.fromOpaque(context.unsafelyUnwrapped).takeUnretainedValue().host
  }

  /// Valid while this object exists.
  var table: StackHost {
    StackHost(
      context: Unmanaged.passUnretained(self).toOpaque(),
      sendFrames: { context, port, frames, count in
        let list = UnsafeBufferPointer(
          start: frames.assumingMemoryBound(to: Frame.self), count: Int(count))
        return UInt32(clamping: HostBox.host(context).send(list, to: port))
      },
      now: { HostBox.host($0).now },
      addFD: {
        let watch = HostBox.host($0).watch(
          $1, for: FDEvents(rawValue: UInt8(truncatingIfNeeded: $2)), token: $3)
        $4?.pointee = watch
        return watch == 0 ? -1 : 0
      },
      modifyFD: {
        HostBox.host($0).modify($1, for: FDEvents(rawValue: UInt8(truncatingIfNeeded: $2)))
        return 0
      },
      removeFD: { HostBox.host($0).unwatch($1) },
      setTimer: { context, deadline, _ in HostBox.host(context).setTimer(at: deadline) },
      cancelTimer: { HostBox.host($0).cancelTimer($1) },
      writeLog: { context, level, text, length in
        let bytes = UnsafeRawBufferPointer(start: text, count: Int(length))
        HostBox.host(context).log(
          LogLevel(rawValue: level) ?? .warning, String(decoding: bytes, as: UTF8.self))
      })
  }
}
