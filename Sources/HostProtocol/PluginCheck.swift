// SPDX-License-Identifier: Apache-2.0
//
// The tests of `lima-netd plugin check`: what each requires, and the output of `lima-netd-host check FILE ID`: a line
// of JSON for each stage it reaches, and one with the verdict.

package struct PluginCheck: Hashable, Sendable {
  /// Stable: kebab-case, the group first.
  package let id: String
  /// The requirement, in one sentence.
  package let rule: String
  /// The author's remedy for a failure.
  package let remedy: String
  /// "network" or "dns"; nil: both.
  package let kind: String?
  /// Ids of the tests that must have passed; otherwise this one does not apply.
  package let needs: [String]

  package init(_ id: String, kind: String? = nil, needs: [String], _ rule: String, mend: String) {
    self.id = id
    self.kind = kind
    self.needs = needs
    self.rule = rule
    self.remedy = mend
  }

  package var group: String { String(id.prefix { $0 != "-" }) }

  /// A test of the file, independent of its plugins.
  package var isOfFile: Bool { group == "file" || group == "module" }
}

/// The output of the testing process, one JSON object per line.
package struct CheckReport: Codable, Hashable, Sendable {
  package enum Verdict: String, Codable, Hashable, Sendable {
    case pass, fail, skip
  }

  /// The stage that begins; after a crash the last one is where it happened.
  package var stage: String?
  package var verdict: Verdict?
  /// What happened, or why the test does not apply.
  package var detail: String?

  package init(stage: String) { self.stage = stage }

  package init(_ verdict: Verdict, _ detail: String? = nil) {
    self.verdict = verdict
    self.detail = detail
  }
}
