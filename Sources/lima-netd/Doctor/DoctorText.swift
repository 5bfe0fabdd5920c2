// SPDX-License-Identifier: Apache-2.0
//
// DoctorText: the findings for a terminal: a line each, the remedy below it, and a summary. Pure.

import Daemon
import Platform

enum DoctorText {
  /// - Parameters:
  ///   - counted: modes whose problems decide the exit status.
  ///   - columns: of a line, but for remedies, which can be pasted; nil: any number.
  static func text(
    _ findings: [Finding], counted: Set<String>, columns: Int? = Terminal.columns
  ) -> String {
    let width = findings.map(\.check.count).max() ?? 0
    var lines: [String] = []
    for finding in findings {
      let check = finding.check + String(repeating: " ", count: width - finding.check.count)
      let status = finding.status.rawValue
      let head = status + String(repeating: " ", count: 7 - status.count)
      let modes =
        finding.modes == DoctorModes.all ? "" : " [\(finding.modes.joined(separator: ", "))]"
      lines += Paragraph.lines(
        finding.text + modes, first: "\(head)  \(check)  ", indent: 11, width: columns)
      if finding.status != .ok, let remedy = finding.remedy {
        lines.append("           \(Paragraph.printable(remedy))")
      }
    }
    lines += ["", sum(findings, counted)]
    return lines.joined(separator: "\n")
  }

  private static func sum(_ findings: [Finding], _ counted: Set<String>) -> String {
    let problems = findings.filter { $0.status == .problem }
    let own = problems.filter { !counted.isDisjoint(with: $0.modes) }
    let warnings = findings.filter { $0.status == .warning }
    var text = "\(Plural.text(own.count, "problem")), \(Plural.text(warnings.count, "warning"))"
    if own.count < problems.count {
      text +=
        "; \(Plural.text(problems.count - own.count, "problem")) of modes that no network has"
    }
    return text
  }
}
