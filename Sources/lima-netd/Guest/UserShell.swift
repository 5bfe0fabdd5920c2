// SPDX-License-Identifier: Apache-2.0
//
// UserShell: the shell of the user who runs this.

import Platform

enum UserShell {
  /// $SHELL, else the one of the user database, else /bin/sh.
  static var path: String {
    for shell in [
      CurrentProcess.environment["SHELL"], AccountNames.shell(CurrentProcess.effectiveUser),
    ] {
      if let shell, shell.hasPrefix("/"), Files.exists(shell) { return shell }
    }
    return "/bin/sh"
  }
}
