// SPDX-License-Identifier: Apache-2.0
//
// SandboxEnvironment: which variables reach the command of `exec --sandbox`. Keys and tokens of the user's are in variables
// whose names nobody can list; so the few that programs need are listed instead.

enum SandboxEnvironment {
  private static let names: Set<String> = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "LANG", "LANGUAGE", "TZ",
    "NO_COLOR", "COLUMNS", "LINES",
  ]

  /// "NAME=value" of each that is passed on, sorted. TMPDIR is not: it may lead out of what the command may write.
  static func kept(of environment: [String: String]) -> [String] {
    environment.filter { names.contains($0.key) || $0.key.hasPrefix("LC_") }
      .map { "\($0.key)=\($0.value)" }.sorted()
  }
}
