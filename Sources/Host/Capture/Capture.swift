// SPDX-License-Identifier: Apache-2.0
//
// The capture point of a network: the frames of its guests' ports, as pcap, to
// any number of readers. While there are readers the driver sets it as
// `capture` of each guest's port; a port without one pays nothing.
//
// Frames are recorded as they pass the port: a super-frame is one record of up
// to 64 KiB, and a checksum that an offload completes later is not complete.
//
// Thread: loop only.

import Platform
import PluginAPI

package final class Capture {
  private var sinks: [CaptureSink] = []

  package init() {}

  package var isActive: Bool { !sinks.isEmpty }

  /// Starts a stream. Takes over `fd` (a pipe or socket), which becomes
  /// non-blocking.
  /// - Parameter snapLength: bytes kept of each frame; 0: all.
  package func add(id: UInt64, fd: Int32, snapLength: Int) {
    sinks.append(CaptureSink(id: id, fd: fd, snapLength: snapLength))
  }

  /// Ends a stream, closing its fd. Returns the frames it lost, or nil for an
  /// unknown one.
  @discardableResult package func remove(id: UInt64) -> UInt64? {
    guard let index = sinks.firstIndex(where: { $0.id == id }) else { return nil }
    let sink = sinks.remove(at: index)
    sink.close()
    return sink.lost
  }

  /// Frames written to and lost by a stream.
  package func counters(id: UInt64) -> (written: UInt64, lost: UInt64)? {
    sinks.first { $0.id == id }.map { ($0.written, $0.lost) }
  }

  /// Once at the end of each turn of the loop while active: hands what was
  /// collected to the readers. Returns the ids of readers that have gone
  /// (removed, their fds closed).
  package func flush() -> [UInt64] {
    var gone: [UInt64] = []
    for sink in sinks where !sink.flush() { gone.append(sink.id) }
    for id in gone { remove(id: id) }
    return gone
  }

  /// Whether a reader is behind: call `flush` again in some milliseconds even
  /// if the loop has nothing else to do.
  package var isBehind: Bool { sinks.contains { $0.isBehind } }

  func record(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    let now = WallClock.now()
    for sink in sinks {
      for i in 0..<count { sink.record(frames + i, at: now) }
    }
  }
}
