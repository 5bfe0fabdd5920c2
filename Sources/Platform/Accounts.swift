// SPDX-License-Identifier: Apache-2.0
//
// AccountNames: names and numbers of users and groups from the system's databases (getpwuid(3), getgrnam(3)), and the
// groups of this process. The calls may block (NSS): for commands, not for a loop's thread. One thread.

import LibC

package enum AccountNames {
  /// Nil: no user has that number.
  package static func user(_ uid: UInt32) -> String? {
    guard let name = getpwuid(uid)?.pointee.pw_name else { return nil }
    return String(cString: name)
  }

  /// The user's login shell; nil: no user has that number.
  package static func shell(_ uid: UInt32) -> String? {
    guard let shell = getpwuid(uid)?.pointee.pw_shell else { return nil }
    return String(cString: shell)
  }

  /// The user's home directory; nil: no user has that number.
  package static func home(_ uid: UInt32) -> String? {
    guard let home = getpwuid(uid)?.pointee.pw_dir else { return nil }
    return String(cString: home)
  }

  /// Nil: no user has that name.
  package static func number(ofUser name: String) -> UInt32? { getpwnam(name)?.pointee.pw_uid }

  /// The user's primary group.
  package static func group(ofUser name: String) -> UInt32? { getpwnam(name)?.pointee.pw_gid }

  package static func groupExists(_ name: String) -> Bool { getgrnam(name) != nil }

  /// Whether a user is a member of a group, by either database; false when the group does not exist.
  package static func isMember(_ uid: UInt32, ofGroup group: String) -> Bool {
    guard let number = getgrnam(group)?.pointee.gr_gid, let account = getpwuid(uid) else {
      return false
    }
    let (name, first) = (account.pointee.pw_name, account.pointee.pw_gid)
    guard let name, number != first else { return number == first }
    // getgrouplist(3) reports the number of groups when the buffer is too small.
    var room: Int32 = 256
    while room <= 1 << 16 {
      var count = room
      #if canImport(Glibc)
        var groups = [gid_t](repeating: 0, count: Int(room))
        let result = getgrouplist(name, first, &groups, &count)
      #else
        var groups = [Int32](repeating: 0, count: Int(room))
        let result = getgrouplist(name, Int32(bitPattern: first), &groups, &count)
      #endif
      guard result < 0 else {
        return groups.prefix(Int(max(0, count))).contains {
          UInt32(truncatingIfNeeded: $0) == number
        }
      }
      room *= 4
    }
    return false
  }

  /// The groups of this process, the effective one included.
  package static var ownGroups: Set<UInt32> {
    let groups = [gid_t](unsafeUninitializedCapacity: 256) { buffer, count in
      count = Int(max(0, getgroups(Int32(buffer.count), buffer.baseAddress)))
    }
    return Set(groups + [getegid()])
  }
}
