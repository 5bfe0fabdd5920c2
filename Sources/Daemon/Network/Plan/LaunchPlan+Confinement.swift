// SPDX-License-Identifier: Apache-2.0
//
// What a network's process keeps: the files of its plugins and those that their options name, its state folder, and
// capabilities that a plugin declares.

import HostProtocol
import Platform

extension LaunchPlan {
  /// Nil with `sandbox: off`.
  func confinement(_ stateDirectory: String) -> ConfinementSpec? {
    guard network.settings.isConfined else { return nil }
    return ConfinementSpec(
      readable: pluginFolders + Self.folders(of: needs.readable + dnsNeeds.readable),
      writable: [stateDirectory].filter { !$0.isEmpty } + needs.writable + dnsNeeds.writable)
  }

  /// Of its DNS plugin: the file and what its options name.
  var dnsReadable: [String] {
    Self.folders(of: [dns.file] + dnsBehind.map(\.plugin.file) + dnsNeeds.readable)
  }

  /// "net_admin,net_raw"; nil for none.
  var capabilities: String? {
    let names = needs.capabilities.union(dnsNeeds.capabilities).map(\.name)
    return names.isEmpty ? nil : names.sorted().joined(separator: ",")
  }

  /// The folders that files are in: a file that is replaced by another is another, in the same place.
  static func folders(of files: [String]) -> [String] {
    files.compactMap { file in
      file.lastIndex(of: "/").flatMap { $0 == file.startIndex ? file : String(file[..<$0]) }
    }
  }
}

extension RegisteredPlugin {
  func needs(with options: JSONObject) -> SchemaNeeds {
    plugin.schema.flatMap { Schema(text: $0) }?.needs(with: options) ?? SchemaNeeds()
  }
}
