// SPDX-License-Identifier: Apache-2.0
//
// GuestNamespace: puts this process where the guest of `exec` lives: a network namespace with nothing but a
// loopback, and a private mount namespace for its resolv.conf. Needs a process with one thread.

import Platform

#if os(Linux)

  import LibC

  enum GuestNamespace {
    /// Real root needs no user namespace, and keeps its powers. Anybody else becomes root of a new one, which owns the
    /// network namespace; so does a root without CAP_SYS_ADMIN, as in a container.
    static func enter() throws {
      let (uid, gid) = (geteuid(), getegid())
      do throws(SystemError) {
        let inUserNamespace = uid == 0 ? try !isUnshared() : true
        if inUserNamespace {
          try Namespaces.unshare([.user, .network, .mount])
          try Namespaces.mapToRoot(uid: uid, gid: gid)
        }
        try Mounts.makePrivate()
        try bringUpLoopback()
        // The interfaces in /sys are otherwise the host's. A comfort, too: a container may forbid it.
        try? Mounts.replaceSysfs()
        // Who runs in there may ping without raw sockets. It is a comfort: /proc/sys may be read-only.
        try? Namespaces.write(
          inUserNamespace ? "0 0" : "0 2147483647", to: "/proc/sys/net/ipv4/ping_group_range")
      } catch {
        throw Advice().namespace(error)
      }
    }

    /// - Returns: false when this root is not one who may.
    private static func isUnshared() throws(SystemError) -> Bool {
      do throws(SystemError) {
        try Namespaces.unshare([.network, .mount])
        return true
      } catch {
        guard error.errno.rawValue == EPERM else { throw error }
        return false
      }
    }

    /// The ids by which the kernel decides about ping sockets.
    static func groups() -> [UInt32] {
      var groups = [gid_t](repeating: 0, count: 256)
      let count = getgroups(Int32(groups.count), &groups)
      return [getegid()] + groups.prefix(Int(max(0, count)))
    }

    private static func bringUpLoopback() throws(SystemError) {
      var netlink = try Netlink()
      let loopback = try netlink.link(named: "lo")
      try netlink.setLink(index: loopback.index, name: "lo", up: true)
    }
  }

#endif
