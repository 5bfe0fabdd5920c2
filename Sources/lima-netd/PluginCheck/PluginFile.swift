// SPDX-License-Identifier: Apache-2.0
//
// PluginFile: a plugin of a file with valid options, and lima-netd-host processes that load it.

import Daemon
import HostProtocol
import Platform

struct PluginFile {
  let path: String
  let plugin: PluginInfo
  /// A JSON object, with defaults filled in.
  let options: String
  let installation: Installation

  /// - Parameters:
  ///   - name: the plugin's name; nil: the only one of the file.
  ///   - given: a JSON object as text.
  init(file: String, name: String?, options given: String) throws {
    let path = LimaHome(path: file, workingDirectory: CurrentProcess.workingDirectory).path
    let installation = try PluginSearchOptions.installation()
    guard case .object(let object)? = try? JSONValue(parsing: given) else {
      throw CommandFailure(
        "--options is no JSON object", remedy: "Write it so:  --options '{\"timeout\": 3}'")
    }
    let inspection = try PluginSurvey.inspect(path, installation: installation)
    guard inspection.ok else {
      throw CommandFailure("\(path) cannot be loaded: \(inspection.detail ?? "no reason given")")
    }
    let held = inspection.plugins ?? []
    let fitting = name == nil ? held : held.filter { $0.name == name }
    guard fitting.count == 1 else {
      throw CommandFailure(
        name.map { "\(path) holds no plugin \($0)" } ?? "\(path) holds several plugins",
        remedy: "Name one with --plugin: \(held.map(\.name).joined(separator: ", "))")
    }
    let plugin = fitting[0]
    let schema =
      plugin.schema.flatMap { Schema(text: $0) }
      ?? Schema(.object(["type": "object", "properties": [:]]))
    let checked = schema.check(.object(object))
    if let problem = checked.problems.first {
      let place = problem.pointer.isEmpty ? "" : "\(problem.pointer): "
      throw CommandFailure("--options: \(place)\(problem.sentence) (plugin \(plugin.name))")
    }
    self.path = path
    self.installation = installation
    self.plugin = plugin
    options = checked.value.text
  }

  /// Runs a sub-command of lima-netd-host on the plugin.
  /// - Returns: its result, or what ended it.
  func run(_ words: [String], seed: UInt64 = 1, seconds: UInt64) throws -> CheckReport {
    let result = try BoundedCommand.run(
      installation.hostExecutable,
      words + ["--options", options, "--seed", String(seed)]
        + ["--plugin", plugin.name, "--kind", plugin.kind],
      environment: HostEnvironment.variables, seconds: seconds, wholeGroup: true)
    return CheckRunner.verdict(of: result, seconds: seconds)
  }
}
