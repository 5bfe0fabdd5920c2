// SPDX-License-Identifier: Apache-2.0
//
// NameCompletion: completions for names of networks, guests, instances and plugins. Networks are from networks.yaml, also
// without a daemon; the others are from the daemon. Errors give no completions, as a shell cannot show them.

import ArgumentParser
import Daemon
import Platform

extension CompletionKind {
  static let networks = CompletionKind.custom { words, _, _ in NameCompletion.networks(words) }
  static let guests = CompletionKind.custom { words, index, _ in
    NameCompletion.guests(words, index)
  }
  static let instances = CompletionKind.custom { words, _, _ in NameCompletion.instances(words) }
  static let modes = CompletionKind.custom { words, _, _ in NameCompletion.modes(words) }
  static let pluginsAndFiles = CompletionKind.custom { words, _, word in
    NameCompletion.plugins(words) + NameCompletion.files(word)
  }
  static let dnsPluginsAndFiles = CompletionKind.custom { words, _, word in
    NameCompletion.plugins(words, kind: "dns") + NameCompletion.files(word)
  }
  /// Guests of the network in `forward add`.
  static let guestsOfForward = CompletionKind.custom { words, _, _ in
    NameCompletion.guestsOfForward(words)
  }
}

enum NameCompletion {
  static func networks(_ words: [String]) -> [String] {
    guard let home = home(words),
      let configuration = try? Configuration.load(home.configFile, mayBeMissing: true)
    else { return NetworkConfiguration.builtins.map(\.name) }
    return configuration.networks.map(\.name)
  }

  /// Guests of the network in the preceding argument.
  static func guests(_ words: [String], _ index: Int) -> [String] {
    guard words.indices.contains(index - 1) else { return [] }
    return guests(of: words[index - 1], words)
  }

  static func guestsOfForward(_ words: [String]) -> [String] {
    guard let add = words.firstIndex(of: "add"), words.indices.contains(add + 1) else { return [] }
    return guests(of: words[add + 1], words)
  }

  private static func guests(of network: String, _ words: [String]) -> [String] {
    guard let home = home(words) else { return [] }
    let guests: [GuestDetail]? = try? ControlClient(home: home).get(
      APIPath.network(network, "guests"))
    return (guests ?? []).map { safe($0.name) }
  }

  static func instances(_ words: [String]) -> [String] {
    guard let home = home(words) else { return [] }
    let instances: [InstanceReport]? = try? ControlClient(home: home).get(APIPath.instances)
    return (instances ?? []).map(\.name)
  }

  /// Modes of the daemon's plugins; without a daemon those of lima-netd's own plugins.
  static func modes(_ words: [String]) -> [String] {
    guard let home = home(words),
      let report: PluginsReport = try? ControlClient(home: home).get(APIPath.plugins)
    else { return ["bridged", "host", "shared", "slirp", "user-v2"] }
    return report.modes.map(\.mode)
  }

  /// The daemon's plugins; without a daemon lima-netd's own.
  /// - Parameter kind: "dns"; nil: all kinds.
  static func plugins(_ words: [String], kind: String? = nil) -> [String] {
    let asked: PluginsReport? = home(words).flatMap {
      try? ControlClient(home: $0).get(APIPath.plugins)
    }
    guard
      let report = try? asked
        ?? PluginSurvey.report(directories: [], installation: PluginSearchOptions.installation())
    else { return [] }
    let plugins = report.files.flatMap { $0.inspection.plugins ?? [] }
    return Set(plugins.filter { kind == nil || $0.kind == kind }.map(\.name)).sorted()
  }

  /// Paths of folders, with a slash at their end, and of plugins' files that begin with a word.
  static func files(_ word: String) -> [String] {
    let folder = word.lastIndex(of: "/").map { String(word[...$0]) } ?? ""
    let names = (try? Files.list(folder.isEmpty ? "." : folder) { !$0.hasPrefix(".") }) ?? []
    return names.map { folder + $0 }.filter { $0.hasPrefix(word) }.compactMap {
      if (try? Files.info($0))?.kind == .directory { return $0 + "/" }
      return $0.hasSuffix(".so") || $0.hasSuffix(".dylib") ? $0 : nil
    }
  }

  private static func home(_ words: [String]) -> LimaHome? {
    let at = words.firstIndex(of: "--lima-home")
    let explicit =
      at.flatMap { words.indices.contains($0 + 1) ? words[$0 + 1] : nil }
      ?? words.first { $0.hasPrefix("--lima-home=") }.map {
        String($0.dropFirst("--lima-home=".count))
      }
    return LimaHome(
      explicit: explicit, environment: CurrentProcess.environment,
      workingDirectory: CurrentProcess.workingDirectory)
  }

  /// A name chosen by a guest, with blanks and characters that have a meaning in a shell replaced by "?".
  private static func safe(_ name: String) -> String {
    String(
      name.unicodeScalars.map { scalar in
        scalar.properties.isAlphabetic || scalar.properties.numericType != nil
          || "._-:".unicodeScalars.contains(scalar) ? Character(scalar) : "?"
      })
  }
}
