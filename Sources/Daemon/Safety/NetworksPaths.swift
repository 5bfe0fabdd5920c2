// SPDX-License-Identifier: Apache-2.0
//
// NetworksPaths: what networks.yaml says of programs and files that root runs and writes (`paths:` and `group:`), and
// Lima's rules for them, for names and for modes: Validate() of pkg/networks/validate.go.

import Platform

package struct NetworksPaths: Hashable, Sendable {
  /// Empty: not set.
  package var socketVMNet = ""
  package var varRun = ""
  package var sudoers = ""
  package var group = ""

  /// What a networks.yaml that does not say is taken to mean, on macOS.
  package static let assumed = NetworksPaths(
    socketVMNet: "/opt/socket_vmnet/bin/socket_vmnet", varRun: "/private/var/run/lima")

  package init(
    socketVMNet: String = "", varRun: String = "", sudoers: String = "", group: String = ""
  ) {
    self.socketVMNet = socketVMNet
    self.varRun = varRun
    self.sudoers = sudoers
    self.group = group
  }

  /// - Throws: `YAMLError`. What is no text is taken for absent: `Configuration` tells of it.
  package init(yaml bytes: [UInt8]) throws {
    guard case .mapping(let top)? = try YAMLReader.read(bytes)?.content else { return }
    for member in top {
      switch (member.key, member.value.content) {
      case ("group", .scalar(let text, _)) where !member.value.isNull: group = text
      case ("paths", .mapping(let paths)): for path in paths { take(path) }
      default: break
      }
    }
  }

  private mutating func take(_ member: YAMLNode.Member) {
    guard case .scalar(let text, _) = member.value.content, !member.value.isNull else { return }
    switch member.key {
    case "socketVMNet": socketVMNet = text
    case "varRun": varRun = text
    case "sudoers": sudoers = text
    default: break
    }
  }

  /// A home without the file has Lima's defaults.
  package static func load(_ file: String, defaults: NetworksTemplate) throws -> NetworksPaths {
    do throws(SystemError) {
      _ = try Files.info(file)
    } catch  where error.errno == .noSuchFile {
      return NetworksPaths(
        socketVMNet: defaults.socketVMNet, varRun: defaults.varRun, sudoers: defaults.sudoers,
        group: defaults.group)
    }
    return try NetworksPaths(yaml: Files.read(file, limit: YAMLLimits().bytes))
  }

  /// Names, modes and interfaces go into sudoers and into file names: Lima's words for one that may not.
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

  /// What is wrong with the paths, as Lima says it; nil: nothing.
  /// - Parameter daemonGroup: the group of the user `daemon`, who owns what socket_vmnet writes.
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
    // It need not be there yet.
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
