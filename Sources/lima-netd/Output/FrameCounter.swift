// SPDX-License-Identifier: Apache-2.0
//
// FrameCounter: writes the whole records of pcap streams to a file, or a descriptor, and counts them. The file is made, or
// emptied, when the first stream begins: what was in it is not lost to a capture that never came to be. Used by the event loop's
// thread, read by the main thread at the end: a lock stands between.

import LibC
import Platform
import Synchronization

final class FrameCounter: Sendable {
  private let state: Mutex<State>

  private struct State {
    /// -1 until the file is open.
    var output: Int32
    let path: String?
    var records = PcapRecords()
    var failure: Errno?
    var isOver = false
    /// Bytes of the stream that is read now.
    var taken = 0
  }

  init(output: Int32) {
    state = Mutex(State(output: output, path: nil))
  }

  init(path: String) {
    state = Mutex(State(output: -1, path: path))
  }

  var frames: Int { state.withLock { $0.records.frames } }
  /// Nobody takes more of it, or the stream made no sense.
  var isOver: Bool { state.withLock { $0.isOver || $0.records.isBroken } }

  /// What came is no capture.
  var isBroken: Bool { state.withLock { $0.records.isBroken } }

  /// Another stream follows. Returns whether there was anything of the one before.
  func beginAnother() -> Bool {
    state.withLock { state in
      defer { state.taken = 0 }
      state.records.beginAnother()
      return state.taken > 0
    }
  }

  /// Nil also when the reader of a pipe has gone: that ends a capture in the normal way.
  var failure: Errno? { state.withLock { $0.failure } }

  /// - Returns: false when nothing more can be written.
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
