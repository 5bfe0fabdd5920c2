// SPDX-License-Identifier: Apache-2.0
//
// Tests of groups file and module: a file, and what its entry function returns.

import HostProtocol
import Platform
import PluginAPI

enum FileChecks {
  static func run(_ id: String, _ file: FileUnderTest) throws(Judgement) {
    switch id {
    case "file-elf":
      do throws(LoadError) { try ELFCheck.check(file.path) } catch { throw .failed(error.detail) }
    case "file-name": try name(file)
    case "file-permissions": try permissions(file)
    case "file-loads": _ = try file.entry()
    case "file-exports", "file-stack": try symbols(id, file)
    case "module-descriptor": _ = try file.load()
    case "module-extensions": try extensions(file.load())
    case _ where id.hasPrefix("module-entry"): try entry(id, file)
    default: try ModuleChecks.run(id, file.load())
    }
  }

  private static func name(_ file: FileUnderTest) throws(Judgement) {
    let base = file.path.split(separator: "/").last.map { String($0) } ?? ""
    guard let promise = PluginName.parse(file: base) else {
      throw .failed("\(base) is not found in a folder of plugins: it is named after no plugin")
    }
    let plugins = try file.load().plugins
    guard plugins.contains(where: { $0.kind == promise.kind && $0.name == promise.name }) else {
      let held = plugins.map { "the \($0.kind) plugin \($0.name)" }.joined(separator: ", ")
      throw .failed("the name says \(promise.kind) plugin \(promise.name), the file holds \(held)")
    }
  }

  private static func permissions(_ file: FileUnderTest) throws(Judgement) {
    guard let info = try? Files.info(file.path) else { throw .failed("there is no such file") }
    if info.mode & 0o002 != 0 { throw .failed("everybody may write it") }
  }

  private static func symbols(_ id: String, _ file: FileUnderTest) throws(Judgement) {
    #if os(Linux)
      let symbols: ELFSymbols
      do throws(SystemError) { symbols = try ELFSymbols(path: file.path) } catch {
        throw .failed(error.description)
      }
      if id == "file-stack" {
        if symbols.needsExecutableStack { throw .failed("it asks for an executable stack") }
        if symbols.hasTextRelocations { throw .failed("it has text relocations") }
        return
      }
      // Symbols added by linkers.
      let usual: Set = ["_init", "_fini", "_edata", "_end", "__bss_start", LND_ENTRY_SYMBOL]
      let others = symbols.exported.filter { !usual.contains($0) }
      guard symbols.exported.contains(LND_ENTRY_SYMBOL) else {
        throw .failed("it does not export \(LND_ENTRY_SYMBOL)")
      }
      guard others.isEmpty else {
        let named = others.sorted().prefix(3).joined(separator: ", ")
        throw .failed("it exports \(Plural.text(others.count, "other symbol")): \(named)")
      }
    #else
      throw .skipped("only ELF files are looked into")
    #endif
  }

  private static func entry(_ id: String, _ file: FileUnderTest) throws(Judgement) {
    let threads = OwnProcess.threads
    let descriptors = OwnProcess.descriptors
    let entry = try file.entry()
    let before = MonotonicClock.now()
    let first = entry(HostIdentity.info)
    let took = (MonotonicClock.now() &- before) / 1_000_000
    switch id {
    case "module-entry-quick":
      guard first != nil else { throw .failed("the entry refuses this host") }
      if took > 100 { throw .failed("the entry took \(took) ms") }
    case "module-entry-stable":
      if entry(HostIdentity.info) != first {
        throw .failed("the second call returned another pointer")
      }
    case "module-entry-threads":
      let more = OwnProcess.threads - threads
      if more > 0 { throw .failed("\(Plural.text(more, "thread")) more than before it was loaded") }
    case "module-entry-fds":
      let more = OwnProcess.descriptors - descriptors
      if more > 0 {
        throw .failed("\(Plural.text(more, "descriptor")) more than before it was loaded")
      }
    default:
      if OwnProcess.hasChildren {
        throw .failed("there is a child process that was not there before")
      }
    }
  }

  private static func extensions(_ module: Module) throws(Judgement) {
    let known = [LND_EXT_FORWARD, LND_EXT_LEASE, LND_EXT_CONNECT, LND_EXT_GUESTS]
    for plugin in module.plugins {
      for id in known where plugin.getExtension(id) != plugin.getExtension(id) {
        throw .failed("\(plugin.name) returns another pointer for \(id) each time")
      }
      if plugin.getExtension("org.example.no-such-extension/1") != nil {
        throw .failed("\(plugin.name) returns a table for an extension that does not exist")
      }
    }
  }
}
