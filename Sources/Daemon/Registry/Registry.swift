// SPDX-License-Identifier: Apache-2.0
//
// Registry: which plugin serves which mode. A value made from what was found in the plugin directories; answers, never
// looks anything up itself. Order: an explicit pin, then each directory in turn. Within one directory two claimants are
// an error; a later directory that claims the same is shadowed, with a warning. A file that cannot be loaded does not
// let another take its place unseen: a mode or name that it is named after is an error, too.

import HostProtocol

/// A directory and the plugin files found in it, inspected.
package struct PluginLevel: Sendable {
  package var directory: String
  package var builtin: Bool
  package var files: [Inspection]

  package init(directory: String, builtin: Bool, files: [Inspection]) {
    self.directory = directory
    self.builtin = builtin
    self.files = files
  }
}

/// A plugin that can be loaded.
package struct RegisteredPlugin: Sendable, Hashable, Codable {
  package var file: String
  package var sha256: String
  package var module: ModuleInfo
  package var plugin: PluginInfo

  package var loaded: PluginIdentity {
    PluginIdentity(
      name: plugin.name, path: file, id: module.id, version: module.version, sha256: sha256)
  }
}

package struct Registry: Sendable {
  private let levels: [PluginLevel]
  /// Files that the configuration names by path, outside of the directories.
  private let pinned: [String: Inspection]

  package init(levels: [PluginLevel], pinned: [String: Inspection] = [:]) {
    self.levels = levels
    self.pinned = pinned
  }

  /// Folders of all the files it knows.
  package var folders: [String] {
    let files = levels.flatMap { level in level.files.map(\.file) } + pinned.keys
    return Set(
      levels.map(\.directory)
        + files.compactMap { file in
          file.lastIndex(of: "/").map { String(file[..<$0]) }
        }
    ).sorted()
  }

  // MARK: Looking up

  package func networkPlugin(
    mode: String, pin: PluginPin?
  ) throws(RegistryError) -> RegisteredPlugin {
    switch pin {
    case .some(.name(let name)):
      let found = try find("network", named: name) { $0.name == name }
      guard let found else {
        throw .unknownName(kind: "network", name: name, known: names(of: "network"))
      }
      return found
    case .some(.file(let path)):
      return try fromFile(path, kind: "network") { candidates in
        candidates.count == 1 ? candidates[0] : candidates.first { $0.plugin.modes.contains(mode) }
      }
    case .none:
      guard let found = try find("network", named: mode, where: { $0.modes.contains(mode) }) else {
        throw .unclaimedMode(mode, known: modes, failed: failures)
      }
      return found
    }
  }

  package func dnsPlugin(pin: PluginPin?) throws(RegistryError) -> RegisteredPlugin {
    if case .some(.file(let path)) = pin {
      return try fromFile(path, kind: "dns") { $0.first }
    }
    var name = PluginPin.defaultDNS
    if case .some(.name(let chosen)) = pin { name = chosen }
    guard let found = try find("dns", named: name, where: { $0.name == name }) else {
      throw .unknownName(kind: "dns", name: name, known: names(of: "dns"))
    }
    return found
  }

  private func find(
    _ kind: String, named name: String, where claims: (PluginInfo) -> Bool
  ) throws(RegistryError) -> RegisteredPlugin? {
    for level in levels {
      let claimants = level.files.flatMap { Self.plugins(of: $0, kind: kind) }
        .filter { claims($0.plugin) }
      if claimants.count > 1 {
        throw .conflict(kind: kind, name: name, files: claimants.map(\.file))
      }
      if let claimant = claimants.first { return claimant }
      let broken = level.files.first { file in
        !file.ok && Self.promise(of: file.file) == PluginFileName(kind: kind, name: name)
      }
      if let broken { throw .broken(broken) }
    }
    return nil
  }

  private func fromFile(
    _ path: String, kind: String, choose: ([RegisteredPlugin]) -> RegisteredPlugin?
  ) throws(RegistryError) -> RegisteredPlugin {
    let inspection =
      pinned[path] ?? levels.lazy.flatMap(\.files).first { $0.file == path }
      ?? Inspection(file: path, reason: .missingFile, detail: "there is no such file")
    guard inspection.ok else { throw .broken(inspection) }
    guard let chosen = choose(Self.plugins(of: inspection, kind: kind)) else {
      throw .nothingInFile(path, kind: kind)
    }
    return chosen
  }

  private static func plugins(of file: Inspection, kind: String) -> [RegisteredPlugin] {
    guard file.ok, let module = file.module else { return [] }
    return (file.plugins ?? []).filter { $0.kind == kind }.map {
      RegisteredPlugin(file: file.file, sha256: file.sha256 ?? "", module: module, plugin: $0)
    }
  }

  private static func promise(of path: String) -> PluginFileName? {
    PluginFileName(
      String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]))
  }

  // MARK: Telling

  /// All modes that some plugin claims, sorted.
  package var modes: [String] {
    Set(
      levels.flatMap(\.files).flatMap { Self.plugins(of: $0, kind: "network") }.flatMap(
        \.plugin.modes)
    )
    .sorted()
  }

  private func names(of kind: String) -> [String] {
    Set(levels.flatMap(\.files).flatMap { Self.plugins(of: $0, kind: kind) }.map(\.plugin.name))
      .sorted()
  }

  private var failures: [Inspection] {
    levels.flatMap(\.files).filter { !$0.ok }
  }

  package var report: PluginsReport {
    var modeReports: [ModeReport] = []
    var errors: [String] = []
    for mode in modes {
      do {
        let plugin = try networkPlugin(mode: mode, pin: nil)
        modeReports.append(ModeReport(mode: mode, plugin: plugin.plugin.name, file: plugin.file))
      } catch {
        errors.append(error.description)
      }
    }
    for name in names(of: "dns") {
      do { _ = try dnsPlugin(pin: .name(name)) } catch { errors.append(error.description) }
    }
    let shadows = self.shadows
    let files = levels.flatMap { level in
      level.files.map {
        PluginFileReport(
          directory: level.directory, builtin: level.builtin, inspection: $0,
          shadowedBy: shadows[$0.file]?.by)
      }
    }
    let others = pinned.values.sorted { $0.file < $1.file }
      .filter { file in !files.contains { $0.inspection.file == file.file } }
      .map {
        PluginFileReport(directory: "", builtin: false, inspection: $0, shadowedBy: nil)
      }
    return PluginsReport(
      files: files + others, modes: modeReports, warnings: warnings, errors: errors)
  }

  /// Shadowed plugins, files that cannot be loaded, and privileges that a plugin asks for and nobody gets.
  package var warnings: [String] {
    broken + refusals
      + shadows.sorted { $0.key < $1.key }.map {
        "\($0.value.what) of \($0.key) is shadowed by \($0.value.by), which comes first"
      }
  }

  /// What is wrong with lima-netd-host itself is said once, not of each plugin.
  private var broken: [String] {
    var texts: [String] = []
    for file in failures {
      let detail = file.detail ?? "unknown reason"
      let text = HostTrouble.isOne(detail) ? detail : "\(file.file) is not loaded: \(detail)"
      if !texts.contains(text) { texts.append(text) }
    }
    return texts
  }

  private var refusals: [String] {
    levels.flatMap(\.files).filter(\.ok).flatMap { file in
      (file.plugins ?? []).compactMap { plugin in
        let refused = plugin.schema.flatMap { Schema(text: $0) }?.needs(with: [:]).refused ?? []
        guard !refused.isEmpty else { return nil }
        return
          "plugin \(plugin.name) of \(file.file) asks for \(refused.joined(separator: ", ")) (x-capabilities), "
          + "which no plugin gets: its process runs without"
      }
    }
  }

  private var shadows: [String: (by: String, what: String)] {
    var first: [String: (file: String, level: Int)] = [:]
    var result: [String: (by: String, what: String)] = [:]
    for (index, level) in levels.enumerated() {
      for file in level.files where file.ok {
        for plugin in file.plugins ?? [] {
          let claims =
            plugin.kind == "network"
            ? plugin.modes.map { "mode \($0)" } : ["dns plugin \(plugin.name)"]
          for claim in claims {
            if let earlier = first[claim] {
              if earlier.level < index { result[file.file] = (earlier.file, claim) }
            } else {
              first[claim] = (file.file, index)
            }
          }
        }
      }
    }
    return result
  }
}

extension PluginFileName {
  init(kind: String, name: String) {
    self.kind = kind
    self.name = name
  }
}
