// SPDX-License-Identifier: Apache-2.0
//
// The capture point of a network: copies the frames of guests' ports as pcap to any number of readers. While there
// are readers, the process sets it as `capture` of each guest's port; without readers a frame costs one nil check.
//
// Frames are recorded as they pass the port: a GSO frame is one record of up to 64 KiB, and a checksum that an
// offload completes later is incomplete in the record.
//
// Thread: loop only.

import Platform
import PluginAPI

package final class Capture {
  private var sinks: [CaptureSink] = []

  package init() {}

  package var isActive: Bool { !sinks.isEmpty }

  /// Starts a stream. Takes ownership of `fd` (a pipe or socket) and makes it non-blocking.
  /// - Parameter snapLength: bytes kept of each frame; 0: all.
  package func add(id: UInt64, fd: Int32, snapLength: Int) {
    sinks.append(CaptureSink(id: id, fd: fd, snapLength: snapLength))
  }

  /// Ends a stream and closes its fd. Returns the number of frames it lost, or nil for an unknown id.
  @discardableResult package func remove(id: UInt64) -> UInt64? {
    guard let index = sinks.firstIndex(where: { $0.id == id }) else { return nil }
    let sink = sinks.remove(at: index)
    sink.close()
    return sink.lost
  }

  /// Frames written to a stream, and frames lost for want of room.
  package func counters(id: UInt64) -> (written: UInt64, lost: UInt64)? {
    sinks.first { $0.id == id }.map { ($0.written, $0.lost) }
  }

  /// Called at the end of each loop iteration while active: writes the collected records to the readers. Returns the
  /// ids of streams whose readers have closed (already removed, their fds closed).
  package func flush() -> [UInt64] {
    var gone: [UInt64] = []
    for sink in sinks where !sink.flush() { gone.append(sink.id) }
    for id in gone { remove(id: id) }
    return gone
  }

  /// Whether a reader has unread records: call `flush` again after some milliseconds even if the loop is otherwise
  /// idle.
  package var isBehind: Bool { sinks.contains { $0.isBehind } }

  func record(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    let now = WallClock.now()
    for sink in sinks {
      for i in 0..<count { sink.record(frames + i, at: now) }
    }
  }
}
