// SPDX-License-Identifier: Apache-2.0
//
// The state of a running network, as `status` replies it.

import JSONCoding

package struct HostStatus: Codable, Hashable, Sendable {
  /// By id. `maximumPorts` at most: `hasMorePorts` says that there are others (`HostRequest.statusOfPorts`).
  package var ports: [PortStatus]
  /// Nil is false.
  package var hasMorePorts: Bool?
  /// What the network plugin wrote; nil: nothing.
  package var plugin: JSONValue?
  /// What the DNS plugin wrote; nil: nothing.
  package var dnsPlugin: JSONValue?
  /// The DNS broker's counters.
  package var dns: JSONValue?
  /// Identity of what is loaded.
  package var modules: [ModuleStatus]
  /// What the switch, or the binding of an isolated network, did.
  package var switchCounters: [String: UInt64]
  /// Counters of the host itself.
  package var host: HostCounters
  /// What its process may no longer do.
  package var confinement: ConfinementStatus?

  /// Ports in one reply: it is written by the loop that moves the guests' frames.
  package static let maximumPorts = 128

  package init(
    ports: [PortStatus] = [], plugin: JSONValue? = nil, dnsPlugin: JSONValue? = nil,
    dns: JSONValue? = nil,
    modules: [ModuleStatus] = [], switchCounters: [String: UInt64] = [:],
    host: HostCounters = HostCounters(), confinement: ConfinementStatus? = nil
  ) {
    self.ports = ports
    self.plugin = plugin
    self.dnsPlugin = dnsPlugin
    self.dns = dns
    self.modules = modules
    self.switchCounters = switchCounters
    self.host = host
    self.confinement = confinement
  }
}

package struct PortStatus: Codable, Hashable, Sendable {
  package var id: UInt64
  package var name: String
  /// "tap", "stream", "dgram", "unixgram", "uplink"
  package var kind: String
  /// From the guest.
  package var rxFrames: UInt64 = 0
  package var rxBytes: UInt64 = 0
  /// To the guest.
  package var txFrames: UInt64 = 0
  package var txBytes: UInt64 = 0
  /// Frames dropped in either direction, for whatever reason.
  package var drops: UInt64 = 0
  /// Drops and errors by reason.
  package var counters: [String: UInt64] = [:]

  package init(id: UInt64, name: String, kind: String) {
    self.id = id
    self.name = name
    self.kind = kind
  }
}

package struct ModuleStatus: Codable, Hashable, Sendable {
  package var kind: String
  package var name: String
  package var file: String
  package var id: String
  package var version: String
  package var sha256: String

  package init(
    kind: String, name: String, file: String, id: String, version: String, sha256: String
  ) {
    self.kind = kind
    self.name = name
    self.file = file
    self.id = id
    self.version = version
    self.sha256 = sha256
  }
}

package struct HostCounters: Codable, Hashable, Sendable {
  /// Nanoseconds since the process started.
  package var uptime: UInt64 = 0
  /// Turns of the loop.
  package var turns: UInt64 = 0
  /// Handles, ops and sinks used after their end by a plugin.
  package var staleHandles: UInt64 = 0
  /// Calls a plugin made from a thread that may not.
  package var wrongThreadCalls: UInt64 = 0
  /// Malformed frames that went to ports, from a plugin or another port, dropped.
  package var malformedFrames: UInt64 = 0
  /// Callbacks that took longer than 10 ms.
  package var slowCallbacks: UInt64 = 0
  /// Guests' links that were turned away for want of descriptors.
  package var refusedLinks: UInt64 = 0
  /// Guests' links, and how many there may be; nil: as many as the network has guests.
  package var links: Int = 0
  package var maximumLinks: Int?
  package var watches: Int = 0
  package var timers: Int = 0
  package var operations: Int = 0

  package init() {}
}
