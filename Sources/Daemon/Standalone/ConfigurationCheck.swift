// SPDX-License-Identifier: Apache-2.0
//
// ConfigurationCheck: all errors of a networks.yaml that can be found without guests: what the daemon refuses, why networks
// cannot start, and plugins' objections to their options. Needs no daemon. Runs its own loop, and blocks the caller.

import HostProtocol
import Platform

package struct ConfigurationCheck: Codable, Sendable, Equatable {
  package struct Problem: Codable, Sendable, Equatable {
    package enum Severity: String, Codable, Sendable {
      /// The file is refused, or the network cannot start.
      case error
      /// Something without an effect, or probably not intended.
      case warning
    }

    package var severity: Severity
    /// Nil: the whole file.
    package var network: String?
    /// With file, line and column if it has a position.
    package var message: String
  }

  package var file: String
  /// False: the file does not exist, and the built-in networks are used.
  package var present: Bool
  package var networks: [String]
  package var problems: [Problem]

  package var isWell: Bool { !problems.contains { $0.severity == .error } }

  /// - Parameter directories: plugin directories searched before the file's own.
  /// - Throws: `SystemError` if no event loop can be created.
  package init(
    file: String, mayBeMissing: Bool, directories: [String], installation: Installation
  ) throws(SystemError) {
    self.file = file
    present = false
    networks = []
    problems = []
    let configuration: Configuration
    do {
      configuration = try Configuration.loadTrusted(file, mayBeMissing: mayBeMissing)
    } catch {
      problems = "\(error)".split(separator: "\n", omittingEmptySubsequences: true).map {
        Problem(severity: .error, network: nil, message: String($0))
      }
      return
    }
    present = configuration.present
    networks = configuration.networks.map(\.name)
    for warning in configuration.warnings { add(.warning, nil, warning.text(file: file)) }
    if let warning = Self.unknownGroup(file) { add(.warning, nil, warning.text(file: file)) }
    let registry = try PluginSurvey.registry(
      directories: directories + configuration.pluginDirectories,
      files: configuration.pinnedFiles, installation: installation)
    for warning in registry.warnings { add(.warning, nil, warning) }
    try check(configuration, registry, installation)
  }

  /// `group:` that this host has not: lines of `lima-netd sudoers` for it let nobody in.
  private static func unknownGroup(_ file: String) -> ConfigProblem? {
    guard let bytes = try? Files.read(file, limit: YAMLLimits().bytes),
      case .mapping(let members)? = try? YAMLReader.read(bytes)?.content,
      let group = members.first(where: { $0.key == "group" })?.value,
      case .scalar(let name, _) = group.content, !group.isNull, !name.isEmpty,
      !AccountNames.groupExists(name)
    else { return nil }
    return ConfigProblem(.noGroup(name), path: ["group"], mark: group.mark)
  }

  private mutating func add(_ severity: Problem.Severity, _ network: String?, _ text: String) {
    problems.append(Problem(severity: severity, network: network, message: text))
  }

  private mutating func check(
    _ configuration: Configuration, _ registry: Registry, _ installation: Installation
  ) throws(SystemError) {
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    let path = file
    for network in configuration.networks {
      let plan: LaunchPlan
      do throws(ErrorReport) {
        plan = try LaunchPlan(network: network, registry: registry, configFile: file)
        _ = try plan.tapRequest()
      } catch {
        // The mode, by which the plugin is found, has no mark in the error.
        let mark = error.message.hasPrefix("network ") ? network.mark(at: "/mode") : nil
        let place = mark.map { "\(file):\($0.line):\($0.column): " } ?? ""
        for line in error.message.split(separator: "\n") { add(.error, network.name, place + line) }
        continue
      }
      for warning in plan.warnings { add(.warning, network.name, warning) }
      let refusal = actor.finish(on: loop) {
        await PluginValidation.run(
          plan, executable: installation.hostExecutable, loop: loop, configFile: path)
      }
      if let refusal { add(.error, network.name, refusal.message) }
    }
  }
}
