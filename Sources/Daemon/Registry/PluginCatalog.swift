// SPDX-License-Identifier: Apache-2.0
//
// PluginCatalog: keeps the registry up to date with the plugin directories. A refresh lists the directories and stats
// the files; only files that are new or changed are inspected.
// Loop thread.

import HostProtocol
import Logging
import Platform

/// A directory that is searched for plugins.
package struct PluginDirectory: Sendable, Hashable {
  package var path: String
  package var builtin: Bool

  package init(path: String, builtin: Bool) {
    self.path = path
    self.builtin = builtin
  }
}

final class PluginCatalog {
  /// In the order of search.
  var directories: [PluginDirectory]
  /// Files the configuration names by path.
  var pinnedFiles: [String] = []
  /// As of the last refresh; nil before the first.
  private(set) var registry: Registry?

  /// Plugin files of a directory that are looked at, the first by name: each answer to `status` asks the kernel for all.
  static let maximumFiles = 256

  private let inspect: (String) async -> Inspection
  private let actor: LoopActor
  private let asRoot: Bool
  private let log: Logger
  private var cache: [Key: Inspection] = [:]
  private var told: Set<String> = []
  private var waiters: [Waiter] = []
  /// Those of the scan under way that have no answer yet.
  private var pending: Set<Key> = []
  private var scans = 0
  private var refreshing = false
  private var refreshAgain = false

  /// How long a start waits for files that it may not need. An entry has to return within 100 ms.
  static let patience: UInt64 = 1_000_000_000

  private struct Waiter {
    var answer = Promise<Registry, Never>()
    /// What is known is all it needs; nil: it waits for everything.
    var isEnough: ((Registry) -> Bool)?
  }

  private struct Key: Hashable {
    var path: String
    var info: FileInfo
  }

  private let after: (UInt64, @escaping () -> Void) -> Void

  /// - Parameters:
  ///   - after: calls back on the loop, after so many nanoseconds.
  ///   - inspect: looks at one file.
  init(
    directories: [PluginDirectory], asRoot: Bool, log: Logger, actor: LoopActor,
    after: @escaping (UInt64, @escaping () -> Void) -> Void = { _, _ in },
    inspect: @escaping (String) async -> Inspection
  ) {
    self.actor = actor
    self.directories = directories
    self.asRoot = asRoot
    self.log = log
    self.after = after
    self.inspect = inspect
  }

  /// Looks at the directories anew and hands out the registry; at once when nothing has changed.
  /// - Parameter isEnough: asked after a second, when files are still being looked at: one whose entry sleeps must not
  ///   keep from starting what does not need it.
  func refresh(startWhen isEnough: ((Registry) -> Bool)? = nil) async -> Registry {
    let waiter = Waiter(isEnough: isEnough)
    waiters.append(waiter)
    if refreshing {
      // What is under way may have listed the directories before a change.
      refreshAgain = true
    } else {
      scan()
    }
    return await waiter.answer.value()
  }

  private func scan() {
    refreshing = true
    refreshAgain = false
    var found: [(directory: PluginDirectory?, path: String, key: Key?)] = []
    var seen: Set<FileIdentity> = []
    for directory in directories {
      for path in list(directory) {
        guard let info = try? Files.info(path) else { continue }
        // The same file by another name, or in a directory that is given twice, is no second claimant.
        guard seen.insert(FileIdentity(device: info.device, inode: info.inode)).inserted else {
          continue
        }
        found.append((directory, path, Key(path: path, info: info)))
      }
    }
    for path in pinnedFiles {
      found.append((nil, path, (try? Files.info(path)).map { Key(path: path, info: $0) }))
    }
    let keys = Set(found.compactMap(\.key))
    // Refusals are decided anew: permissions of a directory change without a trace in the file.
    cache = cache.filter { keys.contains($0.key) && $0.value.reason != .refused }
    for key in keys { refuse(key) }
    let missing = keys.filter { cache[$0] == nil }.sorted { $0.path < $1.path }
    guard !missing.isEmpty else { return finish(found) }
    pending = Set(missing)
    scans += 1
    let scan = scans
    for key in missing {
      actor.begin { [self] in
        cache[key] = await inspect(key.path)
        pending.remove(key)
        if pending.isEmpty { finish(found) }
      }
    }
    after(Self.patience) { [weak self] in
      guard let self, refreshing, scans == scan, !pending.isEmpty else { return }
      answerEarly(found)
    }
  }

  private func answerEarly(_ found: [(directory: PluginDirectory?, path: String, key: Key?)]) {
    guard waiters.contains(where: { $0.isEnough != nil }) else { return }
    let registry = registry(of: found)
    let early = waiters.filter { $0.isEnough?(registry) == true }
    waiters.removeAll { $0.isEnough?(registry) == true }
    for waiter in early { waiter.answer.keep(.success(registry)) }
  }

  private func refuse(_ key: Key) {
    guard asRoot, let reason = PluginPermissions.refusal(key.path) else { return }
    cache[key] = Inspection(file: key.path, reason: .refused, detail: reason)
  }

  private func registry(
    of found: [(directory: PluginDirectory?, path: String, key: Key?)]
  ) -> Registry {
    var levels = directories.map { PluginLevel(directory: $0.path, builtin: $0.builtin, files: []) }
    var pinned: [String: Inspection] = [:]
    for (directory, path, key) in found {
      let inspection =
        key.flatMap { cache[$0] }
        ?? (key == nil
          ? Inspection(file: path, reason: .missingFile, detail: "there is no such file")
          : Inspection(file: path, reason: .timeout, detail: "its entry has not returned yet"))
      if let directory, let index = directories.firstIndex(of: directory), index < levels.count {
        levels[index].files.append(inspection)
      } else {
        pinned[path] = inspection
      }
    }
    return Registry(levels: levels, pinned: pinned)
  }

  private func finish(_ found: [(directory: PluginDirectory?, path: String, key: Key?)]) {
    let registry = registry(of: found)
    self.registry = registry
    for warning in registry.warnings where told.insert(warning).inserted {
      log.warning("\(warning)")
    }
    refreshing = false
    let waiting = waiters
    waiters = []
    if refreshAgain {
      // Those who asked meanwhile get the newer answer.
      waiters = waiting
      return scan()
    }
    for waiter in waiting { waiter.answer.keep(.success(registry)) }
  }

  private func list(_ directory: PluginDirectory) -> [String] {
    do throws(SystemError) {
      let names = try Files.list(directory.path) { PluginFileName($0) != nil }
      if names.count > Self.maximumFiles {
        let text =
          "\(directory.path) has \(names.count) plugin files: those after \(names[Self.maximumFiles - 1]) are left out"
        if told.insert(text).inserted { log.warning("\(text)") }
      }
      return names.prefix(Self.maximumFiles).map { directory.path + "/" + $0 }
    } catch {
      let text = "no plugins from \(directory.path): \(error.reason)"
      if told.insert(text).inserted { log.warning("\(text)") }
      return []
    }
  }

  private struct FileIdentity: Hashable {
    var device: UInt64
    var inode: UInt64
  }
}
