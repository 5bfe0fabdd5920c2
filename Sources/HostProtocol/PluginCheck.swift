// SPDX-License-Identifier: Apache-2.0
//
// The tests of `lima-netd plugin check`: what each asks for, and what `lima-netd-host check FILE ID` says of one: a
// line of JSON for each stage it reaches, and one with the verdict.

package struct PluginCheck: Hashable, Sendable {
  /// Stable: kebab-case, the group first.
  package let id: String
  /// What a plugin has to do, in one sentence.
  package let rule: String
  /// What its author does about a failure.
  package let remedy: String
  /// "network" or "dns"; nil: both.
  package let kind: String?
  /// Without these it makes no sense.
  package let needs: [String]

  package init(_ id: String, kind: String? = nil, needs: [String], _ rule: String, mend: String) {
    self.id = id
    self.kind = kind
    self.needs = needs
    self.rule = rule
    self.remedy = mend
  }

  package var group: String { String(id.prefix { $0 != "-" }) }

  /// One file's, whatever plugins it holds.
  package var isOfFile: Bool { group == "file" || group == "module" }
}

/// What the testing process writes to its standard output, one JSON object a line.
package struct CheckReport: Codable, Hashable, Sendable {
  package enum Verdict: String, Codable, Hashable, Sendable {
    case pass, fail, skip
  }

  /// What it is about to do; the last one is where a crash happened.
  package var stage: String?
  package var verdict: Verdict?
  /// What happened, or why it does not apply.
  package var detail: String?

  package init(stage: String) { self.stage = stage }

  package init(_ verdict: Verdict, _ detail: String? = nil) {
    self.verdict = verdict
    self.detail = detail
  }
}
