// SPDX-License-Identifier: Apache-2.0
//
// Plugin files: GET /v1/plugins.

import HostProtocol

/// The output of `lima-netd-host inspect FILE`, also used by `plugin info FILE`.
package typealias ModuleInfo = Inspection.Module
package typealias PluginInfo = Inspection.Plugin

/// GET /v1/plugins
package struct PluginsReport: Codable, Sendable {
  package var files: [PluginFileReport]
  /// The plugin that serves each mode.
  package var modes: [ModeReport]
  package var warnings: [String]
  /// Conflicts: two files in one directory with the same mode or name.
  package var errors: [String]
}

package struct PluginFileReport: Codable, Sendable {
  package var directory: String
  /// True for the directory of lima-netd's own plugins.
  package var builtin: Bool
  package var inspection: Inspection
  /// The file in an earlier directory with a plugin of the same name or mode.
  package var shadowedBy: String?
}

package struct ModeReport: Codable, Sendable, Hashable {
  package var mode: String
  package var plugin: String
  package var file: String
}
