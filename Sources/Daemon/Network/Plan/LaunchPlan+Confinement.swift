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
    if network.settings.isStrict {
      // Its state is allowed by the process itself; see EmptyRoot.
      return ConfinementSpec(
        readable: pluginFolders + Self.folders(of: needs.readable + dnsNeeds.readable))
    }
    return ConfinementSpec(
      readable: pluginFolders + Self.folders(of: needs.readable + dnsNeeds.readable),
      writable: [stateDirectory].filter { !$0.isEmpty } + needs.writable + dnsNeeds.writable)
  }

  /// How its process begins. Makes its state folder where that is another user's.
  func setup(_ core: NetworkCore) throws(SystemError) -> ProcessSetup {
    let user = network.settings.user
    let state = StateFolder(folder: core.directory, network: core.name)
    guard network.settings.isStrict else {
      return ProcessSetup(
        capabilities: capabilities, user: user, state: try state.prepare(for: user))
    }
    if let fd = try state.prepare(for: user, isOwn: true) { Descriptor.close(fd) }
    let sandbox = core.directory + "/sandbox"
    for folder in [sandbox, sandbox + "/root", sandbox + "/etc"] {
      try Files.makeDirectory(folder, mode: folder == sandbox ? 0o700 : 0o755)
    }
    return ProcessSetup(
      user: user, sandbox: (sandbox, state.own), resolver: resolverCopies(core))
  }

  /// The resolver's files of a process that has no others; nil: it reads the host's.
  func resolverCopies(_ core: NetworkCore) -> ResolverCopies? {
    guard network.settings.isStrict else { return nil }
    return ResolverCopies(in: core.directory + "/sandbox/etc", loop: core.loop)
  }

  /// As the process sees it.
  func stateDirectory(_ core: NetworkCore) -> String {
    network.settings.isStrict
      ? "/state"
      : StateFolder(folder: core.directory, network: core.name).path(for: network.settings.user)
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
