// SPDX-License-Identifier: Apache-2.0
//
// DoctorSubject: the arguments of `doctor`: modes, networks by name, or none for all. Pure.

import Daemon
import Platform

struct DoctorSubject {
  /// The named modes: each needs a network.
  let modes: [String]
  /// All modes to be reported.
  let shown: Set<String>
  /// The networks to be reported.
  let networks: [NetworkConfiguration]

  /// - Parameter words: a word that is a mode's name means the mode, even if a network has the same name.
  /// - Throws: `CommandFailure` for a word that is neither.
  init(_ words: [String], _ facts: HostFacts) throws {
    let modes = words.filter(DoctorModes.all.contains)
    let named = try words.filter { !DoctorModes.all.contains($0) }.map { word in
      guard let network = facts.configuration.networks.first(where: { $0.name == word }) else {
        throw Self.unknown(word, facts)
      }
      guard DoctorModes.all.contains(network.settings.mode) else {
        throw CommandFailure(
          "Network \(word) is of mode \(network.settings.mode), of which doctor knows nothing",
          remedy: "What its plugin says:  lima-netd network inspect \(ShellWord.quoted(word))")
      }
      return network
    }
    self.modes = modes
    shown =
      words.isEmpty
      ? Set(DoctorModes.all) : Set(modes).union(named.map(\.settings.mode))
    let names = Set(named.map(\.name))
    networks =
      words.isEmpty
      ? facts.configuration.networks
      : facts.configuration.networks.filter {
        modes.contains($0.settings.mode) || names.contains($0.name)
      }
  }

  private static func unknown(_ word: String, _ facts: HostFacts) -> CommandFailure {
    if let error = facts.configuration.error {
      return CommandFailure("There is no mode `\(word)`, and networks are not known: \(error)")
    }
    let names = facts.configuration.networks.map(\.name)
    let known = DoctorModes.all + names.filter { !DoctorModes.all.contains($0) }
    let hint =
      Identifier.nearest(to: word, among: known).map { "did you mean `\($0)`?" }
      ?? Plural.there(known)
    return CommandFailure("There is no mode and no network `\(word)`: \(hint)")
  }
}
