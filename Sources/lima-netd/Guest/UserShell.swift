// SPDX-License-Identifier: Apache-2.0
//
// UserShell: the user's shell.

import Platform

enum UserShell {
  /// $SHELL, or the user database's, or /bin/sh.
  static var path: String {
    for shell in [
      CurrentProcess.environment["SHELL"], AccountNames.shell(CurrentProcess.effectiveUser),
    ] {
      if let shell, shell.hasPrefix("/"), Files.exists(shell) { return shell }
    }
    return "/bin/sh"
  }
}
