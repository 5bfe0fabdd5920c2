// SPDX-License-Identifier: Apache-2.0
//
// What is known about plugin files: GET /v1/plugins.

import HostProtocol

/// What `lima-netd-host inspect FILE` prints. Read by `plugin info FILE`, too.
package typealias ModuleInfo = Inspection.Module
package typealias PluginInfo = Inspection.Plugin

/// GET /v1/plugins
package struct PluginsReport: Codable, Sendable {
  package var files: [PluginFileReport]
  /// Which plugin serves which mode.
  package var modes: [ModeReport]
  package var warnings: [String]
  /// Conflicts: two files of one directory that claim the same mode or name.
  package var errors: [String]
}

package struct PluginFileReport: Codable, Sendable {
  package var directory: String
  /// True for the directory that came with lima-netd.
  package var builtin: Bool
  package var inspection: Inspection
  /// The file of an earlier directory that has a plugin of the same name, mode or both.
  package var shadowedBy: String?
}

package struct ModeReport: Codable, Sendable, Hashable {
  package var mode: String
  package var plugin: String
  package var file: String
}
