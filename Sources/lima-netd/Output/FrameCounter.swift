// SPDX-License-Identifier: Apache-2.0
//
// FrameCounter: writes a pcap stream to a descriptor and counts the frames that pass. Used by the event loop's
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
    var parser = PcapFrames()
    var failure: Errno?
  }

  init(output: Int32) {
    self.output = output
  }

  var frames: Int { state.withLock { $0.parser.frames } }
  /// Nil also when the reader of a pipe has gone: that ends a capture in the normal way.
  var failure: Errno? { state.withLock { $0.failure } }

  /// - Returns: false when nothing more can be written.
  func take(_ bytes: some Collection<UInt8>) -> Bool {
    state.withLock { state in
      let bytes = Array(bytes)
      do throws(SystemError) {
        try Files.writeAll(output, bytes)
      } catch {
        if error.errno.rawValue != EPIPE { state.failure = error.errno }
        return false
      }
      state.parser.advance(bytes)
      return true
    }
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
