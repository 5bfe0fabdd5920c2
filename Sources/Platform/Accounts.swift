// SPDX-License-Identifier: Apache-2.0
//
// AccountNames: names and numbers of users and groups, by the system's own databases (getpwuid(3), getgrnam(3)); and the
// groups of this process. Blocks for as long as those take: for commands, not for a loop. One thread.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

package enum AccountNames {
  /// Nil: nobody has that number.
  package static func user(_ uid: UInt32) -> String? {
    guard let name = getpwuid(uid)?.pointee.pw_name else { return nil }
    return String(cString: name)
  }

  /// Their login shell; nil: nobody has that number.
  package static func shell(_ uid: UInt32) -> String? {
    guard let shell = getpwuid(uid)?.pointee.pw_shell else { return nil }
    return String(cString: shell)
  }

  /// Their home directory; nil: nobody has that number.
  package static func home(_ uid: UInt32) -> String? {
    guard let home = getpwuid(uid)?.pointee.pw_dir else { return nil }
    return String(cString: home)
  }

  /// Nil: there is no user of that name.
  package static func number(ofUser name: String) -> UInt32? { getpwnam(name)?.pointee.pw_uid }

  /// The first group of a user.
  package static func group(ofUser name: String) -> UInt32? { getpwnam(name)?.pointee.pw_gid }

  package static func groupExists(_ name: String) -> Bool { getgrnam(name) != nil }

  /// Those of this process, the effective one among them.
  package static var ownGroups: Set<UInt32> {
    let groups = [gid_t](unsafeUninitializedCapacity: 256) { buffer, count in
      count = Int(max(0, getgroups(Int32(buffer.count), buffer.baseAddress)))
    }
    return Set(groups + [getegid()])
  }
}
