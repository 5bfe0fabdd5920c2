// SPDX-License-Identifier: Apache-2.0
//
// GuestNamespace: moves this process into the namespaces of the guest of `exec`: a network namespace with only a loopback
// interface, and a private mount namespace for its resolv.conf. The process must have one thread.

import Platform

#if os(Linux)

  import LibC

  enum GuestNamespace {
    /// Root needs no user namespace, and keeps its capabilities. Other users become root of a new user namespace, which
    /// owns the network namespace; so does root without CAP_SYS_ADMIN, as in a container.
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
        // Without it /sys shows the host's interfaces. Optional: a container may forbid it.
        try? Mounts.replaceSysfs()
        // Allows ping without raw sockets in the namespace. Optional: /proc/sys may be read-only.
        try? Namespaces.write(
          inUserNamespace ? "0 0" : "0 2147483647", to: "/proc/sys/net/ipv4/ping_group_range")
      } catch {
        throw Advice().namespace(error)
      }
    }

    /// - Returns: false if this root lacks the capabilities.
    private static func isUnshared() throws(SystemError) -> Bool {
      do throws(SystemError) {
        try Namespaces.unshare([.network, .mount])
        return true
      } catch {
        guard error.errno.rawValue == EPERM else { throw error }
        return false
      }
    }

    /// The group ids by which the kernel permits ping sockets.
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
