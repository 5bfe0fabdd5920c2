// SPDX-License-Identifier: Apache-2.0
//
// RootCommand: this very command, to be run again as root: sudo knows neither the caller's PATH nor LIMA_HOME. Pure.

import Daemon
import Platform

enum RootCommand {
  /// - Parameters:
  ///   - executable: the program's own file.
  ///   - words: its arguments.
  ///   - home: " --lima-home DIR" or "" (`Installation.homeWords`), for words that do not name a home.
  static func text(_ executable: String, _ words: [String], home: String) -> String {
    let options = words.prefix { $0 != "--" }
    let isNamed = options.contains { $0 == "--lima-home" || $0.hasPrefix("--lima-home=") }
    return (["sudo", executable] + words).map(ShellWord.quoted).joined(separator: " ")
      + (isNamed ? "" : home)
  }
}
