// SPDX-License-Identifier: Apache-2.0
//
// GET /v1/networks/NAME/guests gives an array of these; DELETE /v1/networks/NAME/guests/GUEST sends one away, named by its
// name, number or Ethernet address, and answers with it. Fields are only added, never renamed.

import HostProtocol

/// A guest with what its network's process knows of it.
package struct GuestDetail: Codable, Sendable, Hashable {
  package struct Traffic: Codable, Sendable, Hashable {
    package var frames: UInt64
    package var bytes: UInt64
  }

  package var network: String
  package var id: UInt64
  package var name: String
  /// What it called itself by DHCP.
  package var hostname: String?
  /// "tap", "stream", "dgram" or "unixgram".
  package var transport: String
  /// Ethernet addresses: the one it was told of first, then those it sends from.
  package var macs: [String]
  /// The addresses it has leases of.
  package var addresses: [String]
  package var since: String
  /// Bytes; nil: the network's.
  package var mtu: Int?
  /// Since its network's process has it; nil while none has.
  package var fromGuest: Traffic?
  package var toGuest: Traffic?
  /// Frames dropped in either direction.
  package var drops: UInt64?
  /// Of those, and of what was held up, by reason: "txQueueFull" (PortStatus.counters).
  package var reasons: [String: UInt64]?
}

/// Something about a network that its log knows and somebody should do something about: GET /v1/status, `notes`.
package struct NetworkNote: Codable, Sendable, Hashable {
  package var network: String
  /// When it was last logged.
  package var time: String
  package var text: String
  /// What to do about it, where that is known.
  package var remedy: String?
}
