// SPDX-License-Identifier: Apache-2.0
//
// What a network's process may do once its plugins have started, and what of it holds.

/// Asked of a process before it loads plugins.
package struct ConfinementSpec: Codable, Hashable, Sendable {
  /// Absolute paths of folders and files that may be read besides the system's own.
  package var readable: [String]
  /// The same for those that may be read, written, made and removed.
  package var writable: [String]

  package init(readable: [String] = [], writable: [String] = []) {
    self.readable = readable
    self.writable = writable
  }
}

/// What holds.
package struct ConfinementStatus: Codable, Hashable, Sendable {
  /// Kept of root's capabilities: "net_bind_service".
  package var capabilities: [String]
  /// System calls that a network does not need are refused.
  package var systemCalls: Bool
  /// Version of Landlock that bounds the files; 0: they are not bounded.
  package var landlock: Int
  /// What was asked for and cannot be here, as sentences.
  package var missing: [String]

  package init(
    capabilities: [String] = [], systemCalls: Bool = false, landlock: Int = 0,
    missing: [String] = []
  ) {
    self.capabilities = capabilities
    self.systemCalls = systemCalls
    self.landlock = landlock
    self.missing = missing
  }
}
