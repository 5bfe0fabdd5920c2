// SPDX-License-Identifier: Apache-2.0
//
// HelperSafety: may lima-netd-tap be run as root from where it lies? Asked before each run, by root or by sudo, and by
// `sudoers` and `doctor`.

import Platform

package enum HelperSafety {
  /// Nil: it may. Blocks on the disk.
  package static func flaw(of helper: String) -> PathFlaw? {
    PathSafety(policy).flaw(ofProgram: helper)
  }

  package static var policy: PathPolicy {
    PathPolicy(allowsSticky: true, unmappedUser: unmappedUser())
  }

  /// In a user namespace that does not know all users, the number that those have whom it does not know
  /// (user_namespaces(7)): the files of the system are theirs there. What root of such a namespace runs has no more
  /// rights than who made it.
  static func unmappedUser(
    map: String? = text("/proc/self/uid_map"),
    overflow: String? = text("/proc/sys/kernel/overflowuid")
  ) -> UInt32? {
    guard let map, let overflow = overflow.flatMap({ UInt32($0.filter(\.isNumber)) }) else {
      return nil
    }
    let numbers = map.split(whereSeparator: \.isWhitespace).compactMap { UInt32($0) }
    // Root is root, and so is everybody else who he is.
    guard numbers.count >= 3, Array(numbers.prefix(2)) != [0, 0] else { return nil }
    return overflow
  }

  private static func text(_ path: String) -> String? {
    (try? Files.read(path, limit: 4096)).map { String(decoding: $0, as: UTF8.self) }
  }
}

extension PathFlaw {
  /// The command that makes the helper fit to be run as root; nil where it has to be installed somewhere else: in a folder
  /// of somebody's own there is another such folder above each that is mended.
  package var helperRemedy: String? {
    if case .owner = self { nil } else { remedy }
  }
}
