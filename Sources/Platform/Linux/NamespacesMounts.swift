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

    /// Mounts an empty tmpfs.
    package static func temporary(on target: String) throws(SystemError) {
      try mount("tmpfs", target, "tmpfs", 0, data: "mode=0755,size=1m")
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
