// SPDX-License-Identifier: Apache-2.0
//
// The answers to POST /v1/reload, and to POST /v1/stop and /v1/restart, which return the daemon before the change.

/// The result of reading networks.yaml again. An invalid file is an error, INVALID_CONFIG, and changes nothing.
package struct ReloadReport: Codable, Sendable, Hashable {
  package struct Change: Codable, Sendable, Hashable {
    /// "network", "plugins" (folders) or "paths".
    package var subject: String
    /// Name of the network.
    package var name: String?
    /// "added", "removed", "changed", or "unchanged": an earlier change that is still waiting or refused.
    package var change: String
    /// The changed keys of a network: "gateway", "options.mtu", "egress", "dns.servers".
    package var keys: [String]
    /// All changes are in effect.
    package var holdsNow: Bool
    /// Keys that take effect at the network's next start, also those of earlier changes.
    package var waiting: [String]
    /// Keys that are refused: the network continues with its present values.
    package var refused: [Refusal]
    /// Why a network that is not running could not start.
    package var error: ErrorReport?
  }

  package struct Refusal: Codable, Sendable, Hashable {
    package var keys: [String]
    package var code: String
    package var message: String
  }

  package var file: String
  /// False: the file does not exist, and the built-in networks are used.
  package var present: Bool
  package var changes: [Change]
  /// If this request changed nothing, the last one that did: the daemon also reads the file by itself when it changes.
  package var earlier: Earlier?

  package struct Earlier: Codable, Sendable, Hashable {
    package var time: String
    package var changes: [Change]
  }
}

/// The daemon that is about to end.
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
