// SPDX-License-Identifier: Apache-2.0
//
// GET and POST /v1/upgrade.

/// Body of POST /v1/upgrade.
package struct UpgradeRequest: Codable, Sendable {
  /// Networks whose processes the new version does not understand are started again; nil: there is no upgrade then.
  package var restartNetworks: Bool?

  package init(restartNetworks: Bool? = nil) { self.restartNetworks = restartNetworks }
}

/// The last upgrade of the daemon, or the one under way.
package struct UpgradeReport: Codable, Sendable, Hashable {
  package enum State: String, Codable, Sendable, CaseIterable {
    /// There was none.
    case none
    case running, done
    /// The version before serves on.
    case failed
  }

  /// Counts them, from 1.
  package var number: Int
  package var state: State
  /// Versions of lima-netd.
  package var from: String?
  package var to: String?
  /// The program's file.
  package var executable: String
  /// Networks whose processes went on.
  package var networks: [String]
  /// Networks whose processes were replaced.
  package var restarted: [String]
  /// How many kept their links.
  package var guests: Int
  /// Milliseconds in which clients had to wait.
  package var pause: Int?
  /// Why it failed.
  package var error: ErrorReport?
}
