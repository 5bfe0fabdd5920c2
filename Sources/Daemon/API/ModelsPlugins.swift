// SPDX-License-Identifier: Apache-2.0
//
// What is known about plugin files: the answer of `lima-netd-host inspect FILE`, and GET /v1/plugins.

/// What `lima-netd-host inspect FILE` prints. Read by `plugin info FILE`, too.
package struct Inspection: Codable, Sendable, Hashable {
  package var ok: Bool
  package var file: String
  /// Hex; of the whole file.
  package var sha256: String?
  package var module: ModuleInfo?
  package var plugins: [PluginInfo]?
  /// Not ok: "missing-file", "not-elf", "missing-dependency", "undefined-symbol", "no-entry", "wrong-abi",
  /// "wrong-kind", "load-failed", "invalid-descriptor"; of the supervisor itself: "crashed", "timeout", "refused".
  package var reason: String?
  /// A sentence for users.
  package var detail: String?

  package init(failed file: String, reason: String, detail: String) {
    self.ok = false
    self.file = file
    self.reason = reason
    self.detail = detail
  }
}

package struct ModuleInfo: Codable, Sendable, Hashable {
  package var id: String
  package var version: String
  package var license: String?
  package var url: String?
  package var abiMinor: Int
}

package struct PluginInfo: Codable, Sendable, Hashable {
  /// "network" or "dns".
  package var kind: String
  package var name: String
  package var summary: String
  package var modes: [String]
  /// Each guest alone with the plugin, not on a switch.
  package var isolated: Bool
  /// JSON Schema of its options, as text; nil: it takes none.
  package var schema: String?
  package var extensions: [String]

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    kind = try container.decode(String.self, forKey: .kind)
    name = try container.decode(String.self, forKey: .name)
    summary = try container.decodeIfPresent(String.self, forKey: .summary) ?? ""
    modes = try container.decodeIfPresent([String].self, forKey: .modes) ?? []
    isolated = try container.decodeIfPresent(Bool.self, forKey: .isolated) ?? false
    schema = try container.decodeIfPresent(String.self, forKey: .schema)
    extensions = try container.decodeIfPresent([String].self, forKey: .extensions) ?? []
  }
}

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
