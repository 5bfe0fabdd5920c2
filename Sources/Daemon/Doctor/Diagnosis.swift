// SPDX-License-Identifier: Apache-2.0
//
// Diagnosis: what a host's facts mean for each mode. Pure; each check is one function of an extension.

import Platform

package struct Diagnosis {
  let facts: HostFacts
  /// Modes that somebody wants.
  private let asked: Set<String>

  package init(_ facts: HostFacts) { self.init(facts, asked: []) }

  private init(_ facts: HostFacts, asked: Set<String>) {
    self.facts = facts
    self.asked = asked
  }

  /// All that is to be told of this host, in the order of `DoctorCheck`.
  /// - Parameter asked: modes that somebody wants, also where no network has them.
  package func findings(for asked: [String] = []) -> [Finding] {
    Diagnosis(facts, asked: Set(asked)).sorted(asked)
  }

  private func sorted(_ asked: [String]) -> [Finding] {
    let all =
      configuration() + absent(asked) + home() + daemon() + runtime() + descriptors()
      + confinement()
      + inotify()
      + tun() + userNamespaces() + pingGroups() + resolver() + subnets() + helper() + sudo()
      + taps() + bridges() + switches() + bridgeFilter() + socketVMNet()
    let order = DoctorCheck.allCases.map(\.rawValue)
    return all.enumerated().sorted {
      let left = order.firstIndex(of: $0.element.check) ?? 0
      let right = order.firstIndex(of: $1.element.check) ?? 0
      return (left, $0.offset) < (right, $1.offset)
    }.map(\.element)
  }

  /// Modes of networks that are written down or always there.
  package var configuredModes: Set<String> {
    Set(facts.configuration.networks.map(\.settings.mode))
  }

  var isLinux: Bool { facts.system == .linux }
  var isRoot: Bool { facts.isRoot }

  /// A remedy that only root can run.
  func asRoot(_ command: String) -> String { isRoot ? command : "sudo \(command)" }

  /// For a setting of the kernel.
  func sysctl(_ setting: String) -> String { asRoot("sysctl -w \(setting)") }

  /// " --lima-home DIR" for commands that are about this home.
  /// One that is too long is none to name.
  var homeWords: String {
    facts.home.problem == nil ? " --lima-home \(ShellWord.quoted(facts.home.path))" : ""
  }

  /// A network that stands as in Lima's default file, which comes whole when one of its networks is set up or made, is
  /// nobody's wish: what it lacks is no problem until somebody asks for its mode.
  func resting(_ finding: Finding, _ network: NetworkConfiguration) -> Finding {
    guard finding.status == .problem, isResting(network) else { return finding }
    var finding = finding
    finding.status = .ok
    finding.text += " (as in the default networks.yaml, and not in use)"
    return finding
  }

  func isResting(_ network: NetworkConfiguration) -> Bool {
    !asked.contains(network.settings.mode) && !facts.configuration.wanted.contains(network.name)
      && facts.links.taps[network.name]?.exists != true
      && facts.configuration.defaults.contains {
        $0.name == network.name && $0.settings == network.settings
      }
  }

  func networks(_ modes: [String]) -> [NetworkConfiguration] {
    facts.configuration.networks.filter { modes.contains($0.settings.mode) }
  }
}
