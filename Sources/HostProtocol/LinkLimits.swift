// SPDX-License-Identifier: Apache-2.0
//
// How fast each guest's link may be: `limits` of a network, as its process is told.

/// 0 is no limit.
package struct LinkLimits: Codable, Hashable, Sendable {
  package struct Rate: Codable, Hashable, Sendable {
    /// Bytes of Ethernet frames.
    package var bytesPerSecond: UInt64
    /// Packets as they are on the wire: a super-frame is as many as it is cut into.
    package var packetsPerSecond: UInt64

    package init(bytesPerSecond: UInt64 = 0, packetsPerSecond: UInt64 = 0) {
      self.bytesPerSecond = bytesPerSecond
      self.packetsPerSecond = packetsPerSecond
    }
  }

  package var fromGuest: Rate
  package var toGuest: Rate

  package init(fromGuest: Rate = Rate(), toGuest: Rate = Rate()) {
    self.fromGuest = fromGuest
    self.toGuest = toGuest
  }
}
