// SPDX-License-Identifier: Apache-2.0
//
// FrameCounter: writes a pcap stream to a file, or a descriptor, and counts the frames that pass. The file is made, or
// emptied, when the stream begins: what was in it is not lost to a capture that never came to be. Used by the event loop's
// thread, read by the main thread at the end: a lock stands between.

import Platform
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

final class FrameCounter: Sendable {
  private let state: Mutex<State>

  private struct State {
    /// -1 until the file is open.
    var output: Int32
    let path: String?
    var parser = PcapFrames()
    var failure: Errno?
  }

  init(output: Int32) {
    state = Mutex(State(output: output, path: nil))
  }

  init(path: String) {
    state = Mutex(State(output: -1, path: path))
  }

  var frames: Int { state.withLock { $0.parser.frames } }
  /// Nil also when the reader of a pipe has gone: that ends a capture in the normal way.
  var failure: Errno? { state.withLock { $0.failure } }

  /// - Returns: false when nothing more can be written.
  func take(_ bytes: some Collection<UInt8>) -> Bool {
    state.withLock { state in
      let bytes = Array(bytes)
      guard !bytes.isEmpty else { return true }
      do throws(SystemError) {
        if state.output < 0, let path = state.path { state.output = try Self.create(path) }
        try Files.writeAll(state.output, bytes)
      } catch {
        if error.errno.rawValue != EPIPE { state.failure = error.errno }
        return false
      }
      state.parser.advance(bytes)
      return true
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

/// Follows a pcap stream (24 bytes, then for each frame 16 bytes whose third word is its length) cut anywhere.
struct PcapFrames {
  private(set) var frames = 0
  private var header: [UInt8] = []
  /// Bytes until the next frame's header.
  private var skip = 24
  private var isBigEndian = false

  private var magic: [UInt8] = []

  mutating func advance(_ bytes: some Collection<UInt8>) {
    var rest = Array(bytes)[...]
    if magic.count < 4 {
      magic += rest.prefix(4 - magic.count)
      if magic.count == 4 { isBigEndian = magic[0] == 0xa1 }
    }
    while !rest.isEmpty {
      if skip > 0 {
        let passed = min(skip, rest.count)
        rest = rest.dropFirst(passed)
        skip -= passed
        continue
      }
      let taken = rest.prefix(16 - header.count)
      header += taken
      rest = rest.dropFirst(taken.count)
      guard header.count == 16 else { return }
      let length =
        isBigEndian ? header[8..<12] : [header[11], header[10], header[9], header[8]][...]
      skip = Int(length.reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
      frames += 1
      header = []
    }
  }
}
