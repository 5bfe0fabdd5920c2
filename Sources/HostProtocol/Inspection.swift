// SPDX-License-Identifier: Apache-2.0
//
// The output of `lima-netd-host inspect FILE`: one JSON object.

package struct Inspection: Codable, Hashable, Sendable {
  package var ok: Bool
  /// Absolute path.
  package var file: String
  // With `ok`:
  package var sha256: String?
  package var module: Module?
  package var plugins: [Plugin]?
  /// Faults of a file that loads nevertheless; each fails a test of `plugin check`.
  package var warnings: [String]?
  /// Plugins of kinds that this version does not know: "filter plugin x".
  package var skipped: [String]?
  // Without `ok`:
  package var reason: LoadFailure?
  /// Text for users.
  package var detail: String?

  package struct Module: Codable, Hashable, Sendable {
    package var id: String
    package var version: String
    package var license: String
    package var url: String
    package var abiMinor: Int

    package init(id: String, version: String, license: String, url: String, abiMinor: Int) {
      self.id = id
      self.version = version
      self.license = license
      self.url = url
      self.abiMinor = abiMinor
    }
  }

  package struct Plugin: Codable, Hashable, Sendable {
    /// "network", "dns"
    package var kind: String
    package var name: String
    package var summary: String
    package var modes: [String]
    package var isolated: Bool
    /// JSON Schema, as text.
    package var schema: String?
    /// Ids of extensions the plugin offers.
    package var extensions: [String]
    /// It needs a TAP device of the host's (limanetd.tap/1).
    package var needsTap: Bool

    package init(
      kind: String, name: String, summary: String, modes: [String], isolated: Bool,
      schema: String?, extensions: [String], needsTap: Bool = false
    ) {
      self.kind = kind
      self.name = name
      self.summary = summary
      self.modes = modes
      self.isolated = isolated
      self.schema = schema
      self.extensions = extensions
      self.needsTap = needsTap
    }
  }

  package init(file: String, sha256: String, module: Module, plugins: [Plugin]) {
    self.ok = true
    self.file = file
    self.sha256 = sha256
    self.module = module
    self.plugins = plugins
  }

  package init(file: String, reason: LoadFailure, detail: String) {
    self.ok = false
    self.file = file
    self.reason = reason
    self.detail = detail
  }
}

/// Why a file is not a plugin.
package enum LoadFailure: String, Codable, Hashable, Sendable {
  case missingFile = "missing-file"
  case notELF = "not-elf"
  case missingDependency = "missing-dependency"
  case undefinedSymbol = "undefined-symbol"
  case noEntry = "no-entry"
  case wrongABI = "wrong-abi"
  case wrongKind = "wrong-kind"
  case loadFailed = "load-failed"
  case invalidDescriptor = "invalid-descriptor"
  // Set by the supervisor, not by the inspecting process:
  /// The inspecting process crashed.
  case crashed
  case timeout
  /// Root does not load a file that others can write.
  case refused
}
