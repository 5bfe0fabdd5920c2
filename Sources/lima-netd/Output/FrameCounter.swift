// SPDX-License-Identifier: Apache-2.0
//
// FrameCounter: writes complete records of pcap streams to a file or descriptor, and counts them. The file is created, or
// truncated, when the first stream begins, so that a capture that fails to start does not overwrite it. Used by the event
// loop's thread and read by the main thread at the end, with a lock.

import LibC
import Platform
import Synchronization

final class FrameCounter: Sendable {
  private let state: Mutex<State>

  private struct State {
    /// -1 until the file is opened.
    var output: Int32
    let path: String?
    var records = PcapRecords()
    var failure: Errno?
    var isOver = false
    /// Bytes of the present stream.
    var taken = 0
  }

  init(output: Int32) {
    state = Mutex(State(output: output, path: nil))
  }

  init(path: String) {
    state = Mutex(State(output: -1, path: path))
  }

  var frames: Int { state.withLock { $0.records.frames } }
  /// The output was closed, or the stream is invalid.
  var isOver: Bool { state.withLock { $0.isOver || $0.records.isBroken } }

  /// The stream is no capture.
  var isBroken: Bool { state.withLock { $0.records.isBroken } }

  /// Another stream follows. Returns whether the previous one had any bytes.
  func beginAnother() -> Bool {
    state.withLock { state in
      defer { state.taken = 0 }
      state.records.beginAnother()
      return state.taken > 0
    }
  }

  /// Also nil if the reader of a pipe has closed it, which is a regular end.
  var failure: Errno? { state.withLock { $0.failure } }

  /// - Returns: false if nothing more can be written.
  func take(_ bytes: some Collection<UInt8>) -> Bool {
    state.withLock { state in
      state.taken += bytes.count
      guard !bytes.isEmpty else { return true }
      do throws(SystemError) {
        if state.output < 0, let path = state.path { state.output = try Self.create(path) }
        try Files.writeAll(state.output, state.records.take(bytes))
      } catch {
        state.isOver = true
        if error.errno.rawValue != EPIPE { state.failure = error.errno }
        return false
      }
      return !state.records.isBroken
    }
  }
}

extension FrameCounter {
  fileprivate static func create(_ path: String) throws(SystemError) -> Int32 {
    let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    return fd
  }
}
