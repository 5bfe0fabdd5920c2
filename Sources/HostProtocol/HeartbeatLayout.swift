// SPDX-License-Identifier: Apache-2.0
//
// HeartbeatLayout: the state of a network process's loop, in memory shared with the supervisor, so that the
// supervisor detects a process that hangs without a request. The process writes, the supervisor reads. Native byte
// order.

package enum HeartbeatLayout {
  /// Bytes of the memory.
  package static let size = 4096

  /// UInt64, atomic: 0 before the loop's first iteration; even while the loop waits for events, odd while it works.
  /// Incremented with each change between the two.
  package static let beat = 0
  /// UInt64: number of requests read from the supervisor.
  package static let requests = 8
  /// UInt64: index of the plugin in `plugins` whose callback runs, counted from 1; 0: none.
  package static let plugin = 16
  /// UInt64: `HostProtocolVersion.current` of the process, before the loop's first iteration; 0: a version before 1.
  package static let version = 24
  /// That callback's name, UTF-8, up to `nameSize` bytes, padded with 0.
  package static let callback = 32
  package static let nameSize = 32
  /// Slots of `labelSize` bytes, each the name of a plugin ("network plugin slirp"), ended by 0.
  package static let plugins = 64
  package static let labelSize = 128
  package static let labels = 16
}
