// SPDX-License-Identifier: Apache-2.0
//
// What POST /v1/reload answers. POST /v1/stop and /v1/restart answer with the daemon's process as it is before.

/// What reading networks.yaml again came to. A file that is refused is an error instead, INVALID_CONFIG, and nothing changes.
package struct ReloadReport: Codable, Sendable, Hashable {
  package struct Change: Codable, Sendable, Hashable {
    /// "network", "plugins" (folders) or "paths".
    package var subject: String
    /// Of the network.
    package var name: String?
    /// "added", "removed", "changed", or "unchanged": still waiting, or still refused, from before.
    package var change: String
    /// What of a network is another one, by the keys of networks.yaml: "gateway", "options.mtu", "egress", "dns.servers".
    package var keys: [String]
    /// Nothing waits and nothing was refused.
    package var holdsNow: Bool
    /// Keys that hold from the network's next start on. It may have some from a change before this one.
    package var waiting: [String]
    /// Keys that do not hold, and never will as they are: the network runs on with what it has.
    package var refused: [Refusal]
    /// Why a network at rest could not start.
    package var error: ErrorReport?
  }

  package struct Refusal: Codable, Sendable, Hashable {
    package var keys: [String]
    package var code: String
    package var message: String
  }

  package var file: String
  /// False: there is no such file, the built-in networks are used.
  package var present: Bool
  package var changes: [Change]
  /// Where this reading changed nothing: the last one that did, for the daemon reads the file by itself when it changes.
  package var earlier: Earlier?

  package struct Earlier: Codable, Sendable, Hashable {
    package var time: String
    package var changes: [Change]
  }
}

/// The daemon that is going to end.
package struct DaemonReport: Codable, Sendable, Hashable {
  package var pid: Int32
  package var started: String
  package var home: String

  package init(pid: Int32, started: String, home: String) {
    self.pid = pid
    self.started = started
    self.home = home
  }
}
