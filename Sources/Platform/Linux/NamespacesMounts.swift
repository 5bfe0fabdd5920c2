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

    /// An empty file system in memory.
    package static func temporary(on target: String) throws(SystemError) {
      try mount("tmpfs", target, "tmpfs", 0, data: "mode=0755,size=1m")
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
