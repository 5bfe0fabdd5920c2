// SPDX-License-Identifier: Apache-2.0
//
// QEMUVersion: the version of the installed QEMU.

import Daemon
import Platform

enum QEMUVersion {
  /// From the output of `PROGRAM --version`; nil if it cannot be run, or does not end within some seconds.
  /// - Parameter program: a name, searched in PATH, or a path.
  static func installed(_ program: String) -> (major: Int, minor: Int)? {
    guard let path = ProgramPath.find(program),
      let result = try? BoundedCommand.run(path, ["--version"], seconds: 2, limit: 4096)
    else { return nil }
    return QEMUCapabilities.version(in: result.output)
  }
}
