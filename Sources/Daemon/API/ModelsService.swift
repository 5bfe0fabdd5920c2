// SPDX-License-Identifier: Apache-2.0
//
// What POST /v1/reload answers. POST /v1/stop and /v1/restart answer with the daemon's process as it is before.

/// What reading networks.yaml again came to. A file that is refused is an error instead, INVALID_CONFIG, and nothing changes.
package struct ReloadReport: Codable, Sendable, Hashable {
  package struct Change: Codable, Sendable, Hashable {
    /// "network" or "plugins".
    package var subject: String
    /// Of the network.
    package var name: String?
    /// "added", "removed", "changed"
    package var change: String
    /// What of a network is another one: "mode", "interface", "addresses", "plugin", "options", "sandbox", "dns", "hosts".
    package var keys: [String]
    /// False: it runs, and goes on as it was until its next start.
    package var holdsNow: Bool
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
