// SPDX-License-Identifier: Apache-2.0
//
// CheckRunner: runs the tests of a plugin file one after the other, each in its own process with a timeout, after which all
// processes started by the plugin are killed.

import Daemon
import HostProtocol
import Platform

struct CheckRunner {
  let installation: Installation
  let file: String
  let seed: UInt64
  /// The user's options; defaults come from the schema.
  let options: JSONObject
  /// The plugin to be tested; nil: all of the file.
  let plugin: String?
  private static let seconds: UInt64 = 15
  private static let secondsOfLeaks: UInt64 = 60

  /// - Parameter isWanted: selects tests; tests that depend on others run without them.
  func run(where isWanted: (PluginCheck) -> Bool) throws -> CheckSummary {
    let inspection = try PluginSurvey.inspect(file, installation: installation)
    let held = inspection.plugins ?? []
    let plugins = plugin == nil ? held : held.filter { $0.name == plugin }
    if let plugin, plugins.isEmpty {
      throw CommandFailure(
        "\(file) holds no plugin \(plugin)",
        remedy: held.isEmpty ? nil : "It holds: \(held.map(\.name).joined(separator: ", "))")
    }
    var results: [CheckResult] = []
    var lost: Set<String> = []
    var incomplete = false
    let given = plugins.map { plugin in (plugin, options(for: plugin)) }
    func add(_ test: PluginCheck, _ plugin: PluginInfo?, _ report: CheckReport) {
      let failed = report.verdict == .fail
      if report.verdict != .pass { lost.insert(key(test.id, plugin)) }
      results.append(
        CheckResult(
          id: test.id, plugin: plugin?.name, verdict: report.verdict ?? .fail, rule: test.rule,
          detail: report.detail, remedy: failed ? test.remedy : nil))
    }
    for test in PluginCheck.all where isWanted(test) {
      if test.isOfFile {
        let missing = test.needs.first { lost.contains(key($0, nil)) }
        if let missing {
          add(test, nil, CheckReport(.skip, "\(missing) comes first"))
        } else if test.id == "module-schema" {
          add(test, nil, schema(plugins))
        } else {
          add(test, nil, try run(test, nil, "{}"))
        }
        continue
      }
      for (plugin, options) in given where test.kind == nil || test.kind == plugin.kind {
        let missing = test.needs.first {
          lost.contains(key($0, nil)) || lost.contains(key($0, plugin))
        }
        switch options {
        case _ where missing != nil:
          add(test, plugin, CheckReport(.skip, "\(missing ?? "") comes first"))
        case .failure(let problem):
          incomplete = true
          add(test, plugin, CheckReport(.skip, problem.text))
        case .success(let options):
          let report = try run(test, plugin, options)
          if test.id == "lifecycle-create", report.verdict == .skip { incomplete = true }
          add(test, plugin, report)
        }
      }
      if plugins.isEmpty, lost.contains(key("module-descriptor", nil)) {
        add(test, nil, CheckReport(.skip, "module-descriptor comes first"))
      }
    }
    return CheckSummary(file: file, seed: seed, incomplete: incomplete, results: results)
  }

  private func key(_ id: String, _ plugin: PluginInfo?) -> String {
    plugin.map { "\(id) \($0.kind) \($0.name)" } ?? id
  }

  // MARK: Options

  private struct Problem: Error {
    var text: String
  }

  private func options(for plugin: PluginInfo) -> Result<String, Problem> {
    let schema =
      plugin.schema.flatMap { Schema(text: $0) }
      ?? Schema(.object(["type": "object", "properties": [:]]))
    let result = schema.check(.object(options))
    if let problem = result.problems.first {
      let place = problem.pointer.isEmpty ? "" : "\(problem.pointer): "
      return .failure(Problem(text: "give it --options that fit: \(place)\(problem.sentence)"))
    }
    return .success(result.value.text)
  }

  private func schema(_ plugins: [PluginInfo]) -> CheckReport {
    for plugin in plugins {
      if let problem = SchemaReview.problem(plugin.schema) {
        return CheckReport(.fail, "options_schema of \(plugin.name): \(problem)")
      }
    }
    return CheckReport(.pass)
  }

  // MARK: A process for a test

  private func run(_ test: PluginCheck, _ plugin: PluginInfo?, _ options: String) throws
    -> CheckReport
  {
    var arguments = ["check", file, test.id, "--options", options, "--seed", String(seed)]
    if let plugin { arguments += ["--plugin", plugin.name, "--kind", plugin.kind] }
    let seconds = test.group == "leaks" ? Self.secondsOfLeaks : Self.seconds
    let result = try BoundedCommand.run(
      installation.hostExecutable, arguments, environment: HostEnvironment.variables,
      seconds: seconds, wholeGroup: true)
    return Self.verdict(of: result, seconds: seconds)
  }

  /// The process's result, or what ended it.
  static func verdict(of result: BoundedCommand.Result, seconds: UInt64) -> CheckReport {
    var stage = "its start"
    for line in result.output.split(separator: "\n") {
      guard let report = try? JSONText.decode(CheckReport.self, from: String(line)) else {
        continue
      }
      if report.verdict != nil { return report }
      stage = report.stage ?? stage
    }
    // Its last output: the message of a panic or a sanitizer.
    let said =
      result.errors.split(separator: "\n").last { !$0.isEmpty }
      .map { "; it said: \($0.prefix(200))" } ?? ""
    switch result.status {
    case nil:
      return CheckReport(.fail, "it did not end within \(seconds) s: it hung in \(stage)\(said)")
    case .some(let status):
      return CheckReport(
        .fail, "the process \(status.isKilled ? "was " : "")\(status) in \(stage)\(said)")
    }
  }
}
