// SPDX-License-Identifier: Apache-2.0
//
// `lima-netd-host inspect FILE`: loads a file directly (dlopen, RTLD_NOW) and reports its plugins, or the exact
// reason why it has none. Runs in a process of its own, because the file's initialisers run, too.

import LibC
import HostProtocol
import Platform
import PluginAPI

package enum Inspector {
  /// Extensions queried when a plugin is described: all that a plugin can offer.
  private static let extensions = [
    LND_EXT_FORWARD, LND_EXT_LEASE, LND_EXT_CONNECT, LND_EXT_GUESTS,
  ]

  package static func inspect(_ path: String) -> Inspection {
    let absolute = realPath(path)
    do throws(LoadError) {
      let module = try load(absolute)
      return try describe(module, absolute)
    } catch {
      return Inspection(file: absolute, reason: error.reason, detail: error.detail)
    }
  }

  private static func load(_ path: String) throws(LoadError) -> Module {
    try ELFCheck.check(path)
    guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      throw DynamicLinkerText.explain(dlerror().map { String(cString: $0) } ?? "", path)
    }
    guard let symbol = dlsym(handle, LND_ENTRY_SYMBOL) else {
      for major in 2...9 where dlsym(handle, "lima_netd_module_v\(major)") != nil {
        throw LoadError(
          .wrongABI, "it is built for plugin ABI \(major); this host speaks \(LND_ABI_MAJOR)")
      }
      throw LoadError(
        .noEntry, "it does not export \(LND_ENTRY_SYMBOL), so it is no plugin of lima-netd")
    }
    // dlsym returns an untyped address; the header defines the symbol's type.
    return try Module(
      entry: unsafeBitCast(symbol, to: lnd_entry_v1.self), info: HostIdentity.info)
  }

  private static func describe(_ module: Module, _ path: String) throws(LoadError) -> Inspection {
    if let promise = PluginName.parse(file: path) {
      let kinds = Set(module.plugins.map(\.kind))
      guard kinds.contains(promise.kind) else {
        throw LoadError(
          .wrongKind,
          "its name says \(promise.kind) plugin, but it holds a \(kinds.joined(separator: ", "))"
            + " plugin")
      }
      guard module.plugins.contains(where: { $0.kind == promise.kind && $0.name == promise.name })
      else {
        let names = module.plugins.map(\.name).joined(separator: ", ")
        throw LoadError(
          .invalidDescriptor,
          "the file's name says \"\(promise.name)\", but the plugin calls itself \"\(names)\"")
      }
    }
    let hash: String
    do throws(SystemError) {
      hash = try SHA256.of(file: path)
    } catch {
      throw LoadError(.loadFailed, error.description)
    }
    var inspection = Inspection(
      file: path, sha256: hash,
      module: Inspection.Module(
        id: module.id, version: module.version, license: module.license, url: module.url,
        abiMinor: module.abiMinor),
      plugins: module.plugins.map { plugin in
        Inspection.Plugin(
          kind: plugin.kind, name: plugin.name, summary: plugin.summary, modes: plugin.modes,
          isolated: plugin.isIsolated, schema: plugin.schema,
          extensions: extensions.filter { plugin.getExtension($0) != nil },
          needsTap: plugin.needsTap)
      })
    let warnings = ModuleChecks.warnings(module).map(\.text)
    if !warnings.isEmpty { inspection.warnings = Array(warnings.prefix(32)) }
    if !module.skipped.isEmpty { inspection.skipped = module.skipped }
    return inspection
  }

  private static func realPath(_ path: String) -> String {
    if let resolved = realpath(path, nil) {
      defer { free(resolved) }
      return String(cString: resolved)
    }
    guard !path.hasPrefix("/") else { return path }
    guard let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return String(cString: folder) + "/" + path
  }
}

/// Translates the text of dlerror.
enum DynamicLinkerText {
  static func explain(_ text: String, _ path: String) -> LoadError {
    if let rest = text.after("undefined symbol: ") {
      let symbol = rest.prefix { $0 != " " && $0 != "," && $0 != "\n" }
      return LoadError(.undefinedSymbol, "nothing defines the symbol \(symbol), which it needs")
    }
    if text.after("cannot open shared object file") != nil {
      let library = text.prefix { $0 != ":" }
      if library != path {
        return LoadError(
          .missingDependency,
          "it needs the library \(library), which is not installed or not in the search path")
      }
    }
    if text.after("version `") != nil, text.after("not found") != nil {
      return LoadError(.missingDependency, "a library it needs is too old: \(text)")
    }
    return LoadError(.loadFailed, text.isEmpty ? "the dynamic linker gave no reason" : text)
  }
}

extension String {
  /// The text after the first `mark`; nil without one. (The standard library's search is in a module that this
  /// program does not link.)
  func after(_ mark: String) -> Substring? {
    var rest = Substring(self)
    while !rest.isEmpty {
      if rest.hasPrefix(mark) { return rest.dropFirst(mark.count) }
      rest.removeFirst()
    }
    return nil
  }
}
