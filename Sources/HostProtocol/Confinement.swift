// SPDX-License-Identifier: Apache-2.0
//
// What a network process may do once its plugins have started, and which restrictions are in force.

/// The restrictions requested of a process before it loads plugins.
package struct ConfinementSpec: Codable, Hashable, Sendable {
  /// Absolute paths of folders and files that may be read besides the system's own.
  package var readable: [String]
  /// The same for those that may be read, written, created and removed.
  package var writable: [String]

  package init(readable: [String] = [], writable: [String] = []) {
    self.readable = readable
    self.writable = writable
  }
}

/// The restrictions in force.
package struct ConfinementStatus: Codable, Hashable, Sendable {
  /// Capabilities that a process of root has kept: "net_bind_service".
  package var capabilities: [String]
  /// System calls that a network does not need are refused.
  package var systemCalls: Bool
  /// Version of Landlock that confines file access; 0: not confined.
  package var landlock: Int
  /// Requested restrictions that this system does not support, as sentences.
  package var missing: [String]
  /// The user that it has become; nil: it runs as the daemon does.
  package var user: String?
  /// "strict": system calls by a list of what is allowed, namespaces of its own, an empty root; nil: none of that.
  package var sandbox: String?

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
