// SPDX-License-Identifier: Apache-2.0
//
// Checks of a descriptor beyond those needed to load it. `plugin info` reports the same.

import HostProtocol
import PluginAPI

enum ModuleChecks {
  static func run(_ id: String, _ module: Module) throws(Judgement) {
    if let problem = warnings(module).first(where: { $0.id == id }) { throw .failed(problem.text) }
  }

  /// All findings, with the test that each of them fails.
  static func warnings(_ module: Module) -> [(id: String, text: String)] {
    var found: [(id: String, text: String)] = []
    func text(_ what: String, _ text: String) {
      if let problem = self.problem(text) { found.append(("module-text", "\(what) \(problem)")) }
    }
    text("the module's id", module.id)
    text("its version", module.version)
    text("its licence", module.license)
    text("its url", module.url)
    if !isSemantic(module.version) {
      found.append(("module-version", "\"\(module.version)\" is no semantic version"))
    }
    if module.abiMinor > Int(LND_ABI_MINOR) {
      found.append(
        (
          "module-abi-minor",
          "it was built for ABI 1.\(module.abiMinor), this host has 1.\(LND_ABI_MINOR)"
        ))
    }
    var names: Set<String> = []
    for plugin in module.plugins {
      text("the summary of \(plugin.name)", plugin.summary)
      for mode in plugin.modes { text("a mode of \(plugin.name)", mode) }
      if !names.insert(plugin.kind + " " + plugin.name).inserted {
        found.append(("module-unique", "it holds the \(plugin.kind) plugin \(plugin.name) twice"))
      }
      found += modes(plugin)
      let known =
        plugin.kind == LND_KIND_NETWORK ? Module.networkFlags : LND_PLUGIN_MULTI_LOOP
      if plugin.table.flags & ~known != 0 {
        found.append(
          ("module-reserved", "\(plugin.name) has flags that nobody knows: \(plugin.table.flags)"))
      }
      if plugin.instance.flags != 0 {
        found.append(
          ("module-reserved", "the callbacks of \(plugin.name) have flags that nobody knows"))
      }
    }
    return found
  }

  private static func modes(_ plugin: Module.Descriptor) -> [(id: String, text: String)] {
    guard plugin.kind == LND_KIND_NETWORK else {
      return plugin.table.modes == nil
        ? [] : [("module-modes", "\(plugin.name) is no network plugin, but has modes")]
    }
    var found: [(id: String, text: String)] = []
    if plugin.modes.isEmpty {
      found.append(("module-modes", "\(plugin.name) has no modes: no network can ask for it"))
    }
    for mode in plugin.modes where !isIdentifier(mode) {
      found.append(("module-modes", "the mode \"\(mode)\" of \(plugin.name) cannot be written"))
    }
    if Set(plugin.modes).count < plugin.modes.count {
      found.append(("module-modes", "\(plugin.name) names a mode twice"))
    }
    return found
  }

  private static func problem(_ text: String) -> String? {
    for scalar in text.unicodeScalars {
      if scalar == "\u{fffd}" { return "is not UTF-8" }
      if scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) {
        return "has a control character (\(scalar.value))"
      }
    }
    return nil
  }

  /// Lima's rule for modes: letters and digits, with single ".", "_" or "-" between them, at most 76 characters.
  private static func isIdentifier(_ text: String) -> Bool {
    guard (1...76).contains(text.utf8.count) else { return false }
    return text.split(omittingEmptySubsequences: false) { ".-_".contains($0) }.allSatisfy { part in
      !part.isEmpty && part.utf8.allSatisfy { isLetterOrDigit($0) }
    }
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  /// MAJOR.MINOR.PATCH, optionally followed by "-" or "+" and more.
  private static func isSemantic(_ text: String) -> Bool {
    let core = text.prefix { $0 != "-" && $0 != "+" }
    let parts = core.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 3
      && parts.allSatisfy { part in
        !part.isEmpty && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
      }
  }
}
