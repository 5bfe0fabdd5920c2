// SPDX-License-Identifier: Apache-2.0
//
// ProcessUser: the user that a network's process runs as. Found by getpwnam_r(3) and getpwuid_r(3), which may block (NSS).
// Any thread.

import LibC

package struct ProcessUser: Sendable, Hashable, Codable {
  package var name: String
  package var uid: UInt32
  /// The primary group; the process is in no other.
  package var gid: UInt32

  package init(name: String, uid: UInt32, gid: UInt32) {
    self.name = name
    self.uid = uid
    self.gid = gid
  }

  /// By name or number; nil: this machine has no such user.
  package static func find(_ text: String) -> ProcessUser? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1 << 16) { room in
      guard let base = room.baseAddress else { return nil }
      var entry = passwd()
      var found: UnsafeMutablePointer<passwd>?
      let result =
        UInt32(text).map { getpwuid_r($0, &entry, base, room.count, &found) }
        ?? getpwnam_r(text, &entry, base, room.count, &found)
      guard result == 0, found != nil, let name = entry.pw_name else { return nil }
      return ProcessUser(name: String(cString: name), uid: entry.pw_uid, gid: entry.pw_gid)
    }
  }

  /// Of this process, effective.
  package static var isRoot: Bool { geteuid() == 0 }
}
