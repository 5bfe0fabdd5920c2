// SPDX-License-Identifier: Apache-2.0
//
// ProgramPath: finds a program as a shell does.

import Daemon
import Platform

enum ProgramPath {
  /// - Parameter program: a name, or a path, which is made absolute. Nil if PATH has no such program.
  static func find(_ program: String) -> String? {
    if program.contains("/") { return InstancePath.absolute(program) }
    let path = CurrentProcess.environment["PATH"] ?? "/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(program)" }.first { Files.exists($0) }
  }
}
