// SPDX-License-Identifier: Apache-2.0
//
// NameCompletion: what a shell offers for names of networks, guests, instances and plugins. Networks are those of
// networks.yaml, whether or not a daemon runs; the others are the daemon's. Whatever fails offers nothing: a shell that
// completes shows no errors.

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
  static let plugins = CompletionKind.custom { words, _, _ in NameCompletion.plugins(words) }
}

enum NameCompletion {
  static func networks(_ words: [String]) -> [String] {
    guard let home = home(words),
      let configuration = try? Configuration.load(home.configFile, mayBeMissing: true)
    else { return NetworkConfiguration.builtins.map(\.name) }
    return configuration.networks.map(\.name)
  }

  /// Of the network that is the word before.
  static func guests(_ words: [String], _ index: Int) -> [String] {
    guard let home = home(words), words.indices.contains(index - 1) else { return [] }
    let guests: [GuestDetail]? = try? ControlClient(home: home).get(
      APIPath.network(words[index - 1], "guests"))
    return (guests ?? []).map { safe($0.name) }
  }

  static func instances(_ words: [String]) -> [String] {
    guard let home = home(words) else { return [] }
    let instances: [InstanceReport]? = try? ControlClient(home: home).get(APIPath.instances)
    return (instances ?? []).map(\.name)
  }

  /// Those that the daemon's plugins serve; without a daemon those of the plugins that come along.
  static func modes(_ words: [String]) -> [String] {
    guard let home = home(words),
      let report: PluginsReport = try? ControlClient(home: home).get(APIPath.plugins)
    else { return ["bridged", "host", "shared", "slirp", "user-v2"] }
    return report.modes.map(\.mode)
  }

  static func plugins(_ words: [String]) -> [String] {
    guard let home = home(words),
      let report: PluginsReport = try? ControlClient(home: home).get(APIPath.plugins)
    else { return [] }
    return Set(report.files.flatMap { $0.inspection.plugins ?? [] }.map(\.name)).sorted()
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

  /// A guest chose it: no blank, nor what a shell would take for more than a name.
  private static func safe(_ name: String) -> String {
    String(
      name.unicodeScalars.map { scalar in
        scalar.properties.isAlphabetic || scalar.properties.numericType != nil
          || "._-:".unicodeScalars.contains(scalar) ? Character(scalar) : "?"
      })
  }
}
