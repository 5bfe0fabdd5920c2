// SPDX-License-Identifier: Apache-2.0
//
// FrameCounter: writes the whole records of pcap streams to a descriptor and counts them. Used by the event loop's
// thread, read by the main thread at the end: a lock stands between.

import Platform
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

final class FrameCounter: Sendable {
  private let output: Int32
  private let state = Mutex(State())

  private struct State {
    var records = PcapRecords()
    var failure: Errno?
    var isOver = false
    /// Bytes of the stream that is read now.
    var taken = 0
  }

  init(output: Int32) {
    self.output = output
  }

  var frames: Int { state.withLock { $0.records.frames } }
  /// Nobody takes more of it, or the stream made no sense.
  var isOver: Bool { state.withLock { $0.isOver || $0.records.isBroken } }

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
      do throws(SystemError) {
        try Files.writeAll(output, state.records.take(bytes))
      } catch {
        state.isOver = true
        if error.errno.rawValue != EPIPE { state.failure = error.errno }
        return false
      }
      return !state.records.isBroken
    }
  }
}
