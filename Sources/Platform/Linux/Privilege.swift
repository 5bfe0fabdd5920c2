// SPDX-License-Identifier: Apache-2.0
//
// Privilege: the system's accounts, and running a function with another user's ids. For single-threaded commands.

#if os(Linux)

  import LibC

  package struct Account: Sendable, Hashable {
    package var uid: UInt32
    package var gid: UInt32
    package var name: String
    package var home: String

    /// By number or name.
    package static func find(_ text: String) throws(SystemError) -> Account {
      let entry = UInt32(text).map { getpwuid($0) } ?? getpwnam(text)
      guard let entry = entry?.pointee, let name = entry.pw_name, let home = entry.pw_dir else {
        throw SystemError("getpwnam", Errno(ENOENT), subject: text, detail: "there is no such user")
      }
      return Account(
        uid: entry.pw_uid, gid: entry.pw_gid, name: String(cString: name),
        home: String(cString: home))
    }
  }

  package enum Privilege {
    /// Runs `body` with the user's effective ids, and restores root's after it.
    package static func asUser<Result>(
      _ uid: UInt32, _ body: () throws -> Result
    ) throws -> Result {
      guard geteuid() == 0, uid != 0 else { return try body() }
      let account = try Account.find("\(uid)")
      let groups = [gid_t](unsafeUninitializedCapacity: 256) { buffer, count in
        count = Int(max(0, getgroups(Int32(buffer.count), buffer.baseAddress)))
      }
      let gid = getegid()
      guard setgroups(0, nil) == 0, setegid(account.gid) == 0, seteuid(uid) == 0 else {
        throw SystemError("seteuid", .current, subject: account.name)
      }
      defer {
        // The saved ids permit the change back.
        _ = seteuid(0)
        _ = setegid(gid)
        _ = setgroups(groups.count, groups)
      }
      return try body()
    }
  }

#endif
