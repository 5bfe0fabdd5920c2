// SPDX-License-Identifier: Apache-2.0
//
// The rate limits of each guest's link: `limits` of a network, for its process.

/// 0 is no limit.
package struct LinkLimits: Codable, Hashable, Sendable {
  package struct Rate: Codable, Hashable, Sendable {
    /// Bytes of Ethernet frames.
    package var bytesPerSecond: UInt64
    /// Packets on the wire: a GSO frame counts as its segments.
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
