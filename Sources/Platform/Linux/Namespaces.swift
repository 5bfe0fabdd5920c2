// SPDX-License-Identifier: Apache-2.0
//
// Namespaces: creating and entering namespaces(7). The kernel moves only the calling thread, and refuses user
// namespaces to a process with several threads: for single-threaded processes.

#if os(Linux)

  import CPlatform
  import LibC

  package enum Namespaces {
    package struct Kinds: OptionSet, Sendable {
      package let rawValue: Int32
      package init(rawValue: Int32) { self.rawValue = rawValue }

      package static let mount = Kinds(rawValue: PLAT_NS_MOUNT)
      package static let user = Kinds(rawValue: PLAT_NS_USER)
      package static let network = Kinds(rawValue: PLAT_NS_NETWORK)
      /// The process namespace of later children; the first of them is its process 1.
      package static let process = Kinds(rawValue: PLAT_NS_PROCESS)
      package static let ipc = Kinds(rawValue: PLAT_NS_IPC)
      package static let uts = Kinds(rawValue: PLAT_NS_UTS)
    }

    /// Moves this process into new namespaces. A new user namespace owns the others created with it, and gives the
    /// process all capabilities in them.
    /// - Throws: `SystemError`: EPERM (not root and no user namespace asked for, or the system forbids them),
    ///   ENOSPC (user.max_user_namespaces), EINVAL (several threads).
    package static func unshare(_ kinds: Kinds) throws(SystemError) {
      try check(plat_unshare(kinds.rawValue), "unshare", "\(kinds.names)")
    }

    /// Moves this process into the namespace behind `fd`, which must be of the given kind.
    package static func enter(_ fd: Int32, _ kind: Kinds, path: String) throws(SystemError) {
      try check(plat_setns(fd, kind.rawValue), "setns", path)
    }

    /// Opens a namespace file such as /proc/PID/ns/net or /run/netns/NAME.
    package static func open(_ path: String) throws(SystemError) -> Int32 {
      let fd = Glibc.open(path, O_RDONLY | O_CLOEXEC)
      guard fd >= 0 else {
        throw SystemError("open", .current, subject: path)
      }
      return fd
    }

    /// A descriptor of the user namespace that owns the namespace `fd`.
    package static func owner(of fd: Int32, path: String) throws(SystemError) -> Int32 {
      let owner = plat_namespace_owner(fd)
      try check(owner, "NS_GET_USERNS", path)
      return owner
    }

    /// Maps `uid` and `gid`, the ids outside, to 0 in the user namespace that this process has just created.
    /// Supplementary groups stay and cannot be changed (setgroups: deny), which the kernel requires of an
    /// unprivileged process (user_namespaces(7)).
    package static func mapToRoot(uid: UInt32, gid: UInt32) throws(SystemError) {
      try write("0 \(uid) 1", to: "/proc/self/uid_map")
      // The file does not exist before Linux 3.19, which does not require it.
      do { try write("deny", to: "/proc/self/setgroups") } catch
        where error.errno.rawValue == ENOENT
      {}
      try write("0 \(gid) 1", to: "/proc/self/gid_map")
    }

    /// Writes a file of /proc in one write(2), which those files require.
    package static func write(_ text: String, to path: String) throws(SystemError) {
      let fd = Glibc.open(path, O_WRONLY | O_CLOEXEC)
      guard fd >= 0 else {
        throw SystemError("open", .current, subject: path)
      }
      defer { close(fd) }
      let bytes = Array(text.utf8)
      guard Glibc.write(fd, bytes, bytes.count) == bytes.count else {
        throw SystemError("write", .current, subject: path)
      }
    }

    /// The identity of a namespace file: equal for two files of one namespace. Nil when the file is gone.
    package static func identity(of path: String) -> Identity? {
      var info = stat()
      guard stat(path, &info) == 0 else { return nil }
      return Identity(device: UInt64(info.st_dev), inode: UInt64(info.st_ino))
    }

    package struct Identity: Sendable, Hashable {
      let device: UInt64
      let inode: UInt64
    }

    private static func check(
      _ result: Int32, _ call: String, _ subject: String
    ) throws(SystemError) {
      guard result >= 0 else {
        throw SystemError(call, Errno(0 &- result), subject: subject)
      }
    }
  }

  extension Namespaces.Kinds {
    /// For messages: "user, network".
    var names: String {
      var names: [String] = []
      if contains(.user) { names.append("user") }
      if contains(.network) { names.append("network") }
      if contains(.mount) { names.append("mount") }
      if contains(.process) { names.append("process") }
      if contains(.ipc) { names.append("IPC") }
      if contains(.uts) { names.append("UTS") }
      return names.joined(separator: ", ") + (names.count == 1 ? " namespace" : " namespaces")
    }
  }

#endif
