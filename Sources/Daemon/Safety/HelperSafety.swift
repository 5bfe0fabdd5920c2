// SPDX-License-Identifier: Apache-2.0
//
// HelperSafety: whether lima-netd-tap may be run as root from its path. Checked before each run, as root or by sudo, and by
// `sudoers` and `doctor`.

import Platform

package enum HelperSafety {
  /// Nil: it may. Blocks on I/O.
  package static func flaw(of helper: String) -> PathFlaw? {
    PathSafety(policy).flaw(ofProgram: helper)
  }

  package static var policy: PathPolicy {
    PathPolicy(allowsSticky: true, unmappedUser: unmappedUser())
  }

  /// In a user namespace in which not all users are mapped, the uid of unmapped users (user_namespaces(7)), which is the
  /// owner of the system's files there. Programs run as root in such a namespace have only the permissions of its creator.
  static func unmappedUser(
    map: String? = text("/proc/self/uid_map"),
    overflow: String? = text("/proc/sys/kernel/overflowuid")
  ) -> UInt32? {
    guard let map, let overflow = overflow.flatMap({ UInt32($0.filter(\.isNumber)) }) else {
      return nil
    }
    let numbers = map.split(whereSeparator: \.isWhitespace).compactMap { UInt32($0) }
    // The identity mapping of all users: no unmapped ones.
    guard numbers.count >= 3, Array(numbers.prefix(2)) != [0, 0] else { return nil }
    return overflow
  }

  private static func text(_ path: String) -> String? {
    (try? Files.read(path, limit: 4096)).map { String(decoding: $0, as: UTF8.self) }
  }
}

extension PathFlaw {
  /// The command that makes the helper safe to be run as root; nil if it must be installed elsewhere: a user's directory
  /// has other such directories above it.
  package var helperRemedy: String? {
    if case .owner = self { nil } else { remedy }
  }
}
