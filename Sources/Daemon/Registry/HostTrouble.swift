// SPDX-License-Identifier: Apache-2.0
//
// HostTrouble: why lima-netd-host itself does not work, whatever the plugin: a library that it lacks, a file that is no program
// of this machine, no process or descriptor left. In one sentence, with the command that mends it where one does. Pure.

import Platform

package struct HostTrouble: Error, Sendable, Hashable, CustomStringConvertible {
  /// "libltdl.so.7: no such file"
  package let reason: String
  /// "apt-get install libltdl7"; nil: none is known.
  package let remedy: String?

  private static let beginning = "lima-netd-host cannot start: "
  private static let most = 240

  package init(reason: String, remedy: String? = nil) {
    self.reason = reason
    self.remedy = remedy
  }

  package var description: String {
    Self.beginning + reason + (remedy.map { " (\($0))" } ?? "")
  }

  /// Whether a text, of an inspection, is one of these.
  package static func isOne(_ text: String?) -> Bool { text?.hasPrefix(beginning) == true }

  /// It could not be started.
  package init(_ error: SystemError) {
    let trouble = FileTrouble(error)
    self.init(reason: trouble?.message ?? "\(error)", remedy: trouble?.remedy)
  }

  /// It ended, and has not done what every one of them does.
  /// - Parameters:
  ///   - status: nil: it was ended, after some seconds without an answer.
  ///   - said: its standard error.
  package init(status: ChildProcess.ExitStatus?, said: String) {
    let line =
      said.split(whereSeparator: \.isNewline).first { !$0.allSatisfy(\.isWhitespace) } ?? ""
    var text = String(line)
    // "PATH: error while loading shared libraries: libltdl.so.7: cannot open shared object file: No such file ..."
    let loading = "error while loading shared libraries: "
    if let range = text.firstRange(of: loading) {
      text = String(text[range.upperBound...])
      let missing = ": cannot open shared object file: No such file or directory"
      if text.hasSuffix(missing) { text = text.dropLast(missing.count) + ": no such file" }
    }
    let how = status.map { "it \($0)" } ?? "it does not answer"
    self.init(
      reason: text.isEmpty ? how : String(text.prefix(Self.most)),
      remedy: Self.package(for: text))
  }

  /// The package of a library that the dynamic loader misses.
  package static func package(for text: String) -> String? {
    let known = [("libltdl", "libltdl7"), ("libyaml", "libyaml-0-2")]
    return known.first { text.contains($0.0) }.map { "apt-get install \($0.1)" }
  }
}
