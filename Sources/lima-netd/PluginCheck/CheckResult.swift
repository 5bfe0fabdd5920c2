// SPDX-License-Identifier: Apache-2.0
//
// CheckResult: the result of one test of a plugin, and the text and JSON of all of them.

import Daemon
import HostProtocol

struct CheckResult: Encodable, Hashable {
  var id: String
  /// The plugin's name; nil: a test of the file.
  var plugin: String?
  var verdict: CheckReport.Verdict
  var rule: String
  /// The observation, or why the test does not apply.
  var detail: String?
  /// The remedy of a failure.
  var remedy: String?
}

struct CheckSummary: Encodable {
  var file: String
  var seed: UInt64
  var passed: Int
  var failed: Int
  var skipped: Int
  /// Some tests need other options; they count as skipped.
  var incomplete: Bool
  var results: [CheckResult]

  init(file: String, seed: UInt64, incomplete: Bool, results: [CheckResult]) {
    self.file = file
    self.seed = seed
    self.incomplete = incomplete
    self.results = results
    passed = results.count { $0.verdict == .pass }
    failed = results.count { $0.verdict == .fail }
    skipped = results.count { $0.verdict == .skip }
  }
}

enum CheckText {
  /// A failure, with rule and remedy.
  static func failure(_ result: CheckResult) -> [String] {
    let whose = result.plugin.map { " (\($0))" } ?? ""
    var lines = ["FAILED  \(result.id)\(whose)"]
    lines += Paragraph.lines(result.rule, first: "  rule      ", indent: 12)
    lines += Paragraph.lines(result.detail ?? "", first: "  happened  ", indent: 12)
    if let remedy = result.remedy {
      lines += Paragraph.lines(remedy, first: "  mend      ", indent: 12)
    }
    return lines
  }

  static func summary(_ summary: CheckSummary) -> String {
    var lines = summary.results.filter { $0.verdict == .fail }.flatMap { failure($0) + [""] }
    var reasons: [String] = []
    for result in summary.results where result.verdict == .skip {
      let reason = result.detail ?? ""
      if !reasons.contains(reason) { reasons.append(reason) }
    }
    for reason in reasons {
      let ids = summary.results.filter { $0.verdict == .skip && ($0.detail ?? "") == reason }.map(
        \.id)
      lines += Paragraph.lines(
        "\(ids.joined(separator: " ")): \(reason)", first: "skipped ", indent: 8)
    }
    lines.append("\(summary.passed) passed, \(summary.failed) failed, \(summary.skipped) skipped")
    return lines.joined(separator: "\n")
  }

  /// Test Anything Protocol, version 14.
  static func tap(_ summary: CheckSummary) -> String {
    var lines = ["TAP version 14", "1..\(summary.results.count)"]
    for (index, result) in summary.results.enumerated() {
      let name = result.plugin.map { "\(result.id) \($0)" } ?? result.id
      let number = "\(index + 1) - \(name)"
      switch result.verdict {
      case .pass: lines.append("ok \(number)")
      case .skip: lines.append("ok \(number) # SKIP \(Paragraph.printable(result.detail ?? ""))")
      case .fail:
        lines += ["not ok \(number)", "  ---"]
        for (key, text) in [
          ("rule", result.rule), ("happened", result.detail ?? ""), ("mend", result.remedy ?? ""),
        ] {
          lines.append("  \(key): \(JSONValue.string(Paragraph.printable(text)).text)")
        }
        lines.append("  ...")
      }
    }
    return lines.joined(separator: "\n")
  }
}
