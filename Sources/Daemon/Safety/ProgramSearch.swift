// SPDX-License-Identifier: Apache-2.0
//
// ProgramSearch: where a program lies. Directories of PATH that are not absolute are passed over: what lies in the working
// directory is anybody's.

import Platform

package enum ProgramSearch {
  /// - Parameter path: as PATH has it; nil: the usual directories.
  package static func find(
    _ program: String, in path: String? = CurrentProcess.environment["PATH"],
    exists: (String) -> Bool = { Files.exists($0) }
  ) -> String? {
    (path ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
      .map { "\($0)/\(program)" }.first { $0.hasPrefix("/") && exists($0) }
  }
}
