// SPDX-License-Identifier: Apache-2.0
//
// Mounts: mount(2) as `exec` needs it in its private mount namespace. Nothing here is seen outside, provided
// `makePrivate` came first.

#if os(Linux)

  import CPlatform

  package enum Mounts {
    /// Cuts all mounts of this namespace off from those they were copied from.
    package static func makePrivate() throws(SystemError) {
      try mount(nil, "/", nil, UInt64(PLAT_MOUNT_RECURSIVE | PLAT_MOUNT_PRIVATE))
    }

    /// Puts the file or directory `source` (with what is mounted below it) in the place of `target`, following
    /// symbolic links in both.
    package static func bind(_ source: String, on target: String) throws(SystemError) {
      try mount(source, target, nil, UInt64(PLAT_MOUNT_BIND | PLAT_MOUNT_RECURSIVE))
    }

    /// An empty file system in memory, without devices and setuid programs.
    /// - Parameters:
    ///   - mode: of its root, in octal.
    ///   - size: the most that it holds, as tmpfs(5) has it: "1m", "50%".
    package static func temporary(
      on target: String, mode: String = "0755", size: String = "1m"
    ) throws(SystemError) {
      try mount(
        "tmpfs", target, "tmpfs", UInt64(PLAT_MOUNT_NOSUID | PLAT_MOUNT_NODEV),
        data: "mode=\(mode),size=\(size)")
    }

    /// What the kernel says of itself, of the caller's namespaces: "proc" (of the process namespace), "sysfs" (of the network
    /// namespace) or "devpts" (terminals of its own).
    package static func kernel(_ type: String, on target: String) throws(SystemError) {
      let flags =
        type == "devpts"
        ? PLAT_MOUNT_NOSUID | PLAT_MOUNT_NOEXEC
        : PLAT_MOUNT_NOSUID | PLAT_MOUNT_NOEXEC | PLAT_MOUNT_NODEV
      try mount(
        type, target, type, UInt64(flags),
        data: type == "devpts" ? "newinstance,ptmxmode=0666,mode=0620" : nil)
    }

    /// /sys of the caller's network namespace, in place of that of the namespace before; control groups stay.
    package static func replaceSysfs() throws(SystemError) {
      let groups = "/sys/fs/cgroup"
      // What is covered stays within reach by a descriptor.
      let before = plat_open_path(groups)
      defer { if before >= 0 { Descriptor.close(before) } }
      try kernel("sysfs", on: "/sys")
      if before >= 0 { try bind("/proc/self/fd/\(before)", on: groups) }
    }

    /// The mount at a path and all below it: read-only, and setuid programs start as others do.
    /// - Throws: ENOSYS before Linux 5.12.
    package static func makeReadOnly(_ path: String) throws(SystemError) {
      let result = plat_mount_read_only(path)
      guard result >= 0 else {
        throw SystemError("mount_setattr", Errno(0 &- result), subject: path)
      }
    }

    /// Moves what is mounted at `source`.
    package static func move(_ source: String, to target: String) throws(SystemError) {
      try mount(source, target, nil, UInt64(PLAT_MOUNT_MOVE))
    }

    private static func mount(
      _ source: String?, _ target: String, _ type: String?, _ flags: UInt64, data: String? = nil
    ) throws(SystemError) {
      let result = plat_mount(source, target, type, flags, data)
      guard result >= 0 else {
        throw SystemError("mount", Errno(0 &- result), subject: target)
      }
    }
  }

#endif
