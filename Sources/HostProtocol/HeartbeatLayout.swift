// SPDX-License-Identifier: Apache-2.0
//
// HeartbeatLayout: what a network-host's loop tells of itself while it runs, in memory shared with the supervisor, so that
// the supervisor sees a process that hangs without asking it. The process writes, the supervisor reads. Native byte order.

package enum HeartbeatLayout {
  /// Bytes of the memory.
  package static let size = 4096

  /// UInt64, atomic: 0 before the loop's first turn; even while the loop waits for events, odd while it works. It grows with
  /// each change from one to the other.
  package static let beat = 0
  /// UInt64: requests of the supervisor that were read.
  package static let requests = 8
  /// UInt64: a callback of a plugin runs, that of so many a slot of `plugins`, counted from 1; 0: none.
  package static let plugin = 16
  /// That callback's name, UTF-8, up to `nameSize` bytes, the rest of them 0.
  package static let callback = 32
  package static let nameSize = 32
  /// Slots of `labelSize` bytes, each the name of a plugin ("network plugin slirp"), ended by 0.
  package static let plugins = 64
  package static let labelSize = 128
  package static let labels = 16
}
