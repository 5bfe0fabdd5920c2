// SPDX-License-Identifier: Apache-2.0
//
// SandboxEnvironment: the environment variables that are passed to the command of `exec --sandbox`. An allow-list, since
// variables with the user's keys and tokens may have any name.

enum SandboxEnvironment {
  private static let names: Set<String> = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "LANG", "LANGUAGE", "TZ",
    "NO_COLOR", "COLUMNS", "LINES",
  ]

  /// "NAME=value" of each variable that is passed, sorted. Not TMPDIR: the command may be unable to write there.
  static func kept(of environment: [String: String]) -> [String] {
    environment.filter { names.contains($0.key) || $0.key.hasPrefix("LC_") }
      .map { "\($0.key)=\($0.value)" }.sorted()
  }
}
