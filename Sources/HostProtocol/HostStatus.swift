// SPDX-License-Identifier: Apache-2.0
//
// The state of a running network, the reply to `status`.

import JSONCoding

package struct HostStatus: Codable, Hashable, Sendable {
  /// By id. At most `maximumPorts`: `hasMorePorts` reports that there are others (`HostRequest.statusOfPorts`).
  package var ports: [PortStatus]
  /// Nil is false.
  package var hasMorePorts: Bool?
  /// The network plugin's status; nil: none.
  package var plugin: JSONValue?
  /// The DNS plugin's status; nil: none.
  package var dnsPlugin: JSONValue?
  /// The DNS broker's counters.
  package var dns: JSONValue?
  /// The loaded plugin files.
  package var modules: [ModuleStatus]
  /// Counters of the switch, or of the binding of an isolated network.
  package var switchCounters: [String: UInt64]
  /// Counters of the network process itself.
  package var host: HostCounters
  /// The restrictions of its process.
  package var confinement: ConfinementStatus?

  /// Maximum ports in one reply: the loop that moves the guests' frames writes it.
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
  /// Frames dropped in either direction, for any reason.
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
  /// Iterations of the loop.
  package var turns: UInt64 = 0
  /// Stale handles, operations and sinks used by a plugin.
  package var staleHandles: UInt64 = 0
  /// Calls that a plugin made from a thread that is not permitted to.
  package var wrongThreadCalls: UInt64 = 0
  /// Malformed frames from a plugin or another port to ports, dropped.
  package var malformedFrames: UInt64 = 0
  /// Callbacks that took longer than 10 ms.
  package var slowCallbacks: UInt64 = 0
  /// Guests' links refused for want of descriptors.
  package var refusedLinks: UInt64 = 0
  /// Number of guests' links, and its maximum; nil: the network's maximum of guests.
  package var links: Int = 0
  package var maximumLinks: Int?
  package var watches: Int = 0
  package var timers: Int = 0
  package var operations: Int = 0

  package init() {}
}
