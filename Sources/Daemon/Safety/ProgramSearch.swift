// SPDX-License-Identifier: Apache-2.0
//
// ProgramSearch: finds a program in PATH. Relative directories of PATH are skipped, since any user may control the working
// directory's files.

import Platform

package enum ProgramSearch {
  /// - Parameter path: the value of PATH; nil: the usual directories.
  package static func find(
    _ program: String, in path: String? = CurrentProcess.environment["PATH"],
    exists: (String) -> Bool = { Files.exists($0) }
  ) -> String? {
    (path ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
      .map { "\($0)/\(program)" }.first { $0.hasPrefix("/") && exists($0) }
  }
}
