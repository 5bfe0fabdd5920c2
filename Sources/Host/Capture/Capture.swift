// SPDX-License-Identifier: Apache-2.0
import PluginAPI

/// The capture point of a network: writes the frames of its guests' ports as
/// pcap to any number of readers. While it has readers, set it as `capture` of
/// each guest's port; a port without one pays nothing.
package final class Capture {
  package init() {}

  package var isActive: Bool { false }

  /// Starts a stream. Takes over `fd` (a pipe or socket), which becomes
  /// non-blocking.
  /// - Parameter snapLength: bytes kept of each frame; 0: all.
  package func add(id: UInt64, fd: Int32, snapLength: Int) {}

  /// Ends a stream. Returns the frames it lost, or nil for an unknown one.
  @discardableResult package func remove(id: UInt64) -> UInt64? { nil }

  /// Once at the end of each turn of the loop while active: hands what was
  /// collected to the readers. Returns the ids of readers that have gone
  /// (removed, their fds closed).
  package func flush() -> [UInt64] { [] }

  func record(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {}
}
