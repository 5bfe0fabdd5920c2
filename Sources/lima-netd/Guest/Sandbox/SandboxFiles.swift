// SPDX-License-Identifier: Apache-2.0
//
// SandboxFiles: the file system of the command of `exec --sandbox`, set up in the sandbox's mount namespace by its process
// 1, before that gives up its capabilities:
//
//   /                       the host's files, read-only, nosuid
//   /tmp /var/tmp /run      empty, in memory; also /dev/shm and the Lima homes, whose sockets control the network
//   /dev                    null, zero, full, random, urandom, tty, and a devpts of its own
//   /proc                   of the sandbox's processes; files that affect the whole machine are read-only or empty
//   /etc/resolv.conf        the guest's, which `exec` has mounted over the host's

import Platform

#if os(Linux)

  import LibC

  struct SandboxFiles {
    /// Additional folders to hide: Lima homes.
    var hidden: [String]

    /// They include the sockets of the host's services.
    private static let emptied = ["/run", "/var/run", "/tmp", "/var/tmp"]
    private static let devices = ["null", "zero", "full", "random", "urandom", "tty"]
    /// Files of /proc by which uid 0 can affect the machine without a capability.
    private static let readOnly = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"]
    /// Files of /proc that show other processes' memory or the kernel's.
    private static let masked = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kmsg"]

    /// - Throws: `SystemError` of a failed mount. The command must not be run then.
    func lay() throws {
      let resolver = resolverFile()
      // First, while the old /proc is completely visible: otherwise the kernel refuses a new one (mount_namespaces(7)).
      try Mounts.kernel("proc", on: "/proc")
      // A new user namespace would give capabilities in it.
      try? Namespaces.write("0", to: "/proc/sys/user/max_user_namespaces")
      try Mounts.makeReadOnly("/")
      for folder in Self.emptied where isFolder(folder) {
        try Mounts.temporary(
          on: folder, mode: folder.hasSuffix("tmp") ? "1777" : "0755", size: "50%")
      }
      try layDevices()
      for folder in hidden where isFolder(folder) && !Self.emptied.contains(folder) {
        try Mounts.temporary(on: folder)
      }
      for path in Self.readOnly where Files.exists(path) {
        try Mounts.bind(path, on: path)
        try Mounts.makeReadOnly(path)
      }
      for path in Self.masked where Files.exists(path) { try Mounts.bind("/dev/null", on: path) }
      if let resolver { try restore(resolver) }
    }

    /// A directory in memory, assembled elsewhere first, since the host's devices must be visible for that.
    private func layDevices() throws {
      let aside = "/tmp/.dev"
      try Files.makeDirectory(aside, mode: 0o755)
      try Mounts.temporary(on: aside)
      for name in Self.devices where Files.exists("/dev/" + name) {
        Descriptor.close(try Foreground.createFile("\(aside)/\(name)", mode: 0o666))
        try Mounts.bind("/dev/" + name, on: "\(aside)/\(name)")
      }
      for folder in ["pts", "shm"] { try Files.makeDirectory("\(aside)/\(folder)", mode: 0o755) }
      try Mounts.kernel("devpts", on: aside + "/pts")
      try Mounts.temporary(on: aside + "/shm", mode: "1777", size: "50%")
      for (name, target) in [
        ("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"),
      ] where symlink(target, "\(aside)/\(name)") != 0 {
        throw SystemError("symlink", .current, subject: "\(aside)/\(name)")
      }
      try Mounts.move(aside, to: "/dev")
      Files.removeDirectory(aside)
    }

    /// The guest's resolv.conf, if it is a link into an emptied folder: its path and contents.
    private func resolverFile() -> (path: String, bytes: [UInt8])? {
      let target = ResolverFile.target(of: ResolverFile.path)
      guard Self.emptied.contains(where: { target.hasPrefix($0 + "/") }),
        let bytes = try? Files.read(target, limit: 65536)
      else { return nil }
      return (target, bytes)
    }

    private func restore(_ file: (path: String, bytes: [UInt8])) throws {
      try Files.makeDirectory(ResolverFile.parent(of: file.path), mode: 0o755)
      let fd = try Foreground.createFile(file.path, mode: 0o644)
      defer { Descriptor.close(fd) }
      try Files.writeAll(fd, file.bytes)
    }

    /// Not a symbolic link to one: /var/run is a link to /run.
    private func isFolder(_ path: String) -> Bool {
      (try? Files.info(path, followLinks: false))?.kind == .directory
    }
  }

#endif
