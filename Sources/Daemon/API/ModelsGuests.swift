// SPDX-License-Identifier: Apache-2.0
//
// GET /v1/networks/NAME/guests returns an array of these; DELETE /v1/networks/NAME/guests/GUEST disconnects one, given by
// its name, number or Ethernet address, and returns it. Members are added, but never renamed.

import HostProtocol

/// A guest with the data of its network's process.
package struct GuestDetail: Codable, Sendable, Hashable {
  package struct Traffic: Codable, Sendable, Hashable {
    package var frames: UInt64
    package var bytes: UInt64
  }

  package var network: String
  package var id: UInt64
  package var name: String
  /// Its host name from DHCP.
  package var hostname: String?
  /// "tap", "stream", "dgram" or "unixgram".
  package var transport: String
  /// Ethernet addresses: the configured one first, then those seen as sources.
  package var macs: [String]
  /// Its leased addresses.
  package var addresses: [String]
  package var since: String
  /// Bytes; nil: the network's MTU.
  package var mtu: Int?
  /// Since its network's process has it; nil if none does.
  package var fromGuest: Traffic?
  package var toGuest: Traffic?
  /// Frames dropped in either direction.
  package var drops: UInt64?
  /// Of those, and of delayed frames, by reason: "txQueueFull" (PortStatus.counters).
  package var reasons: [String: UInt64]?
}

/// A matter from a network's log that needs a user's attention: GET /v1/status, `notes`.
package struct NetworkNote: Codable, Sendable, Hashable {
  package var network: String
  /// When it was last logged.
  package var time: String
  package var text: String
  /// The remedy, if known.
  package var remedy: String?
}
