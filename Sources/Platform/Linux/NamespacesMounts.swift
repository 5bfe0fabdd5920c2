// SPDX-License-Identifier: Apache-2.0
//
// Mounts: mount(2) for `exec` in its private mount namespace. Call `makePrivate` first: without it the mounts
// propagate to other namespaces.

#if os(Linux)

  import CPlatform

  package enum Mounts {
    /// Stops the propagation of all mounts of this namespace (MS_PRIVATE).
    package static func makePrivate() throws(SystemError) {
      try mount(nil, "/", nil, UInt64(PLAT_MOUNT_RECURSIVE | PLAT_MOUNT_PRIVATE))
    }

    /// Bind-mounts the file or directory `source`, with the mounts below it, on `target`; symbolic links are followed
    /// in both.
    package static func bind(_ source: String, on target: String) throws(SystemError) {
      try mount(source, target, nil, UInt64(PLAT_MOUNT_BIND | PLAT_MOUNT_RECURSIVE))
    }

    /// Mounts an empty tmpfs, without devices and setuid programs.
    /// - Parameters:
    ///   - mode: of its root, in octal.
    ///   - size: its maximum, in the notation of tmpfs(5): "1m", "50%".
    package static func temporary(
      on target: String, mode: String = "0755", size: String = "1m"
    ) throws(SystemError) {
      try mount(
        "tmpfs", target, "tmpfs", UInt64(PLAT_MOUNT_NOSUID | PLAT_MOUNT_NODEV),
        data: "mode=\(mode),size=\(size)")
    }

    /// Mounts a file system of the kernel for the caller's namespaces: "proc" (process namespace), "sysfs" (network
    /// namespace) or "devpts" (a new instance).
    package static func kernel(_ type: String, on target: String) throws(SystemError) {
      let flags =
        type == "devpts"
        ? PLAT_MOUNT_NOSUID | PLAT_MOUNT_NOEXEC
        : PLAT_MOUNT_NOSUID | PLAT_MOUNT_NOEXEC | PLAT_MOUNT_NODEV
      try mount(
        type, target, type, UInt64(flags),
        data: type == "devpts" ? "newinstance,ptmxmode=0666,mode=0620" : nil)
    }

    /// Mounts /sys of the caller's network namespace over the previous one; control groups stay accessible.
    package static func replaceSysfs() throws(SystemError) {
      let groups = "/sys/fs/cgroup"
      // The covered mount stays accessible by a descriptor.
      let before = plat_open_path(groups)
      defer { if before >= 0 { Descriptor.close(before) } }
      try kernel("sysfs", on: "/sys")
      if before >= 0 { try bind("/proc/self/fd/\(before)", on: groups) }
    }

    /// Makes the mount at a path and all below it read-only and nosuid.
    /// - Throws: ENOSYS before Linux 5.12.
    package static func makeReadOnly(_ path: String) throws(SystemError) {
      let result = plat_mount_read_only(path)
      guard result >= 0 else {
        throw SystemError("mount_setattr", Errno(0 &- result), subject: path)
      }
    }

    /// Moves the mount at `source`.
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
