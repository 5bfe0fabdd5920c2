// SPDX-License-Identifier: Apache-2.0
//
// What a stack needs from its host: output of frames, a clock, a timer, watches of descriptors, a log. As a table of
// C functions: a call is one indirect jump, captures and retains nothing. NetworkHost is the same as a protocol. All
// on the loop thread.

/// The functions that a stack calls; the first argument is `context`.
public struct StackHost {
  public typealias Context = UnsafeMutableRawPointer?

  public var context: Context
  /// Port, array of `Frame`, their number; returns how many were accepted. The others are offered again after
  /// `Stack.txReady`.
  public var sendFrames: @convention(c) (Context, PortID, UnsafeRawPointer, UInt32) -> UInt32
  /// Monotonic time, nanoseconds.
  public var now: @convention(c) (Context) -> UInt64
  /// Descriptor, FDEvents, token, result for the watch; returns 0; otherwise it cannot be watched and the watch is 0.
  public var addFD:
    @convention(c) (
      Context, Int32, UInt32, UInt64, UnsafeMutablePointer<HandleID>?
    ) -> Int32
  /// Watch, FDEvents; the result is ignored.
  public var modifyFD: @convention(c) (Context, HandleID, UInt32) -> Int32
  public var removeFD: @convention(c) (Context, HandleID) -> Void
  /// Deadline in nanoseconds, 0; returns 0 when there can be no timer.
  public var setTimer: @convention(c) (Context, UInt64, UInt64) -> HandleID
  public var cancelTimer: @convention(c) (Context, HandleID) -> Void
  /// LogLevel, UTF-8, bytes; nil: nothing is logged.
  public var writeLog: (@convention(c) (Context, UInt32, UnsafePointer<CChar>?, UInt64) -> Void)?

  public init(
    context: Context,
    sendFrames: @escaping @convention(c) (Context, PortID, UnsafeRawPointer, UInt32) -> UInt32,
    now: @escaping @convention(c) (Context) -> UInt64,
    addFD:
      @escaping @convention(c) (
        Context, Int32, UInt32, UInt64, UnsafeMutablePointer<HandleID>?
      ) -> Int32,
    modifyFD: @escaping @convention(c) (Context, HandleID, UInt32) -> Int32,
    removeFD: @escaping @convention(c) (Context, HandleID) -> Void,
    setTimer: @escaping @convention(c) (Context, UInt64, UInt64) -> HandleID,
    cancelTimer: @escaping @convention(c) (Context, HandleID) -> Void,
    writeLog: (@convention(c) (Context, UInt32, UnsafePointer<CChar>?, UInt64) -> Void)? = nil
  ) {
    self.context = context
    self.sendFrames = sendFrames
    self.now = now
    self.addFD = addFD
    self.modifyFD = modifyFD
    self.removeFD = removeFD
    self.setTimer = setTimer
    self.cancelTimer = cancelTimer
    self.writeLog = writeLog
  }
}

/// The level of a log line.
public enum LogLevel: UInt32, Sendable {
  case warning = 3
  case error = 4
}

extension StackHost {
  /// Monotonic time in nanoseconds.
  @inline(__always)
  package func nowNanoseconds() -> UInt64 { now(context) }

  /// Sends frames; returns how many were accepted.
  @inline(__always)
  package func send(_ port: PortID, _ frames: UnsafePointer<Frame>, _ count: UInt32) -> UInt32 {
    min(sendFrames(context, port, frames, count), count)
  }

  /// Watches an fd; 0 when the host refuses.
  package func watch(_ fd: Int32, events: FDEvents, token: EventToken) -> HandleID {
    var watch: HandleID = 0
    return addFD(context, fd, UInt32(events.rawValue), token.rawValue, &watch) == 0 ? watch : 0
  }

  /// Changes the interest of a watch.
  package func modify(_ watch: HandleID, events: FDEvents) {
    _ = modifyFD(context, watch, UInt32(events.rawValue))
  }

  /// Ends a watch; call it before the fd is closed. Ignores 0.
  package func unwatch(_ watch: HandleID) {
    if watch != 0 { removeFD(context, watch) }
  }

  func timer(at deadline: UInt64) -> HandleID { setTimer(context, deadline, 0) }

  func cancel(timer: HandleID) {
    if timer != 0 { cancelTimer(context, timer) }
  }

  /// Writes a line to the network's log. Cold paths only.
  package func log(_ level: LogLevel, _ text: String) {
    guard let writeLog else { return }
    var text = text
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        writeLog(context, level.rawValue, $0.baseAddress, UInt64($0.count))
      }
    }
  }
}
