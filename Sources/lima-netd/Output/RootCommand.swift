// SPDX-License-Identifier: Apache-2.0
//
// RootCommand: this command line, to be run again as root: sudo changes PATH and LIMA_HOME. Pure.

import Daemon
import Platform

enum RootCommand {
  /// - Parameters:
  ///   - executable: path of the program.
  ///   - words: its arguments.
  ///   - home: " --lima-home DIR" or "" (`Installation.homeWords`), for arguments that do not name a home.
  static func text(_ executable: String, _ words: [String], home: String) -> String {
    let options = words.prefix { $0 != "--" }
    let isNamed = options.contains { $0 == "--lima-home" || $0.hasPrefix("--lima-home=") }
    return (["sudo", executable] + words).map(ShellWord.quoted).joined(separator: " ")
      + (isNamed ? "" : home)
  }
}
