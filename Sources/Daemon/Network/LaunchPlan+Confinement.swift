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
    let needs = plugin.needs(with: options)
    let dnsNeeds = dns.needs(with: dnsOptions)
    return ConfinementSpec(
      readable: pluginFolders + Self.folders(of: needs.readable + dnsNeeds.readable),
      writable: [stateDirectory] + needs.writable + dnsNeeds.writable)
  }

  /// Of its DNS plugin: the file and what its options name.
  var dnsReadable: [String] {
    Self.folders(of: [dns.file]) + Self.folders(of: dns.needs(with: dnsOptions).readable)
  }

  /// "net_admin,net_raw"; nil for none.
  var capabilities: String? {
    let names = plugin.needs(with: options).capabilities
      .union(dns.needs(with: dnsOptions).capabilities).map(\.name)
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
  fileprivate func needs(with options: JSONObject) -> SchemaNeeds {
    plugin.schema.flatMap { Schema(text: $0) }?.needs(with: options) ?? SchemaNeeds()
  }
}
