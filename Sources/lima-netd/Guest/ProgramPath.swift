// SPDX-License-Identifier: Apache-2.0
//
// ProgramPath: where a program lies, as a shell would find it.

import Daemon
import Platform

enum ProgramPath {
  /// - Parameter program: a name, or a path, which is made absolute; nil: PATH has none of that name.
  static func find(_ program: String) -> String? {
    if program.contains("/") { return InstancePath.absolute(program) }
    let path = CurrentProcess.environment["PATH"] ?? "/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(program)" }.first { Files.exists($0) }
  }
}
