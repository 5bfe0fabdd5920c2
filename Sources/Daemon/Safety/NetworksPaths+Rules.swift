// SPDX-License-Identifier: Apache-2.0
//
// Lima's rules for the paths of networks.yaml, for names and modes: Validate() of pkg/networks/validate.go.

import Platform

extension NetworksPaths {
  /// Why names, modes or interfaces cannot be used in sudoers and file names, in Lima's wording.
  package func flaw(ofNames networks: [NetworkConfiguration]) -> String? {
    if !group.isEmpty, !Identifier.isValid(group) { return "invalid group `\(group)`" }
    for network in networks {
      let settings = network.settings
      if !Identifier.isValid(network.name) { return "invalid network name `\(network.name)`" }
      if !settings.mode.isEmpty, !Identifier.isValid(settings.mode) {
        return "invalid mode `\(settings.mode)` for network `\(network.name)`"
      }
      if let interface = settings.interface, !interface.isEmpty, !Identifier.isValid(interface) {
        return "invalid interface `\(interface)` for network `\(network.name)`"
      }
    }
    return nil
  }

  /// An error in the paths, in Lima's wording; nil: none.
  /// - Parameter daemonGroup: the group of the user `daemon`, which owns socket_vmnet's files.
  package func flaw(daemonGroup: UInt32, look: PathSafety.Look? = nil) -> String? {
    func safety(_ policy: PathPolicy) -> PathSafety {
      look.map { PathSafety(policy, look: $0) } ?? PathSafety(policy)
    }
    var isInstalled = true
    if let flaw = safety(PathPolicy()).flaw(of: socketVMNet) {
      guard flaw.isMissing else { return Self.text("socketVMNet", flaw) }
      isInstalled = false
    }
    let run = safety(PathPolicy(daemonGroup: daemonGroup, wantsIdentifiers: true))
    if let flaw = run.flawOfExisting(varRun) { return Self.text("varRun", flaw) }
    // It need not exist yet.
    if let flaw = safety(PathPolicy()).flaw(of: sudoers), !flaw.isMissing {
      return Self.text("sudoers", flaw)
    }
    return isInstalled
      ? nil : "networks.yaml: `\(socketVMNet)` (`paths.socketVMNet`) has to be installed"
  }

  private static func text(_ field: String, _ flaw: PathFlaw) -> String {
    "networks.yaml field `paths.\(field)` error: \(flaw)"
  }
}
