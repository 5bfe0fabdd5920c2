// SPDX-License-Identifier: Apache-2.0
//
// Confinement: privileges that a Linux process gives up permanently. Applies to the calling thread and the threads it
// creates later (the system call filter: to all threads), so it runs before other threads are created.

#if os(Linux)

  import CPlatform
  import LibC

  package enum Confinement {
    /// No new privileges by exec, no ptrace by processes of the same user, no core dump.
    package static func giveUpPrivileges() throws(SystemError) {
      _ = try check("prctl", plat_give_up_privileges())
    }

    /// Becomes `user`, in its primary group alone, with the capabilities that this process has. Before other threads.
    package static func become(_ user: ProcessUser) throws(SystemError) {
      _ = try check(
        "setresuid", plat_become_user(user.uid, user.gid), subject: "\(user.uid):\(user.gid)")
    }

    /// Drops all capabilities but those in `kept`.
    package static func keep(_ kept: Set<Capability>) throws(SystemError) {
      let mask = kept.reduce(UInt64(0)) { $0 | UInt64(1) << $1.rawValue }
      _ = try check("capset", plat_keep_capabilities(mask))
    }

    /// The numbers of the calling thread's effective capabilities.
    package static var capabilities: [UInt8] {
      let mask = plat_capabilities()
      return (0..<64).filter { mask >> UInt64($0) & 1 == 1 }
    }

    /// Refuses the system calls that a network does not need; the list is in `CPlatform/confine.c`.
    package static func refuseSystemCalls() throws(SystemError) {
      _ = try check("seccomp", plat_refuse_system_calls())
    }

    /// Refuses all but what a running network needs; the list is in `CPlatform/confine_strict.c`.
    package static func allowNeededCalls() throws(SystemError) {
      _ = try check("seccomp", plat_allow_needed_calls())
    }
  }

  /// Which files may be opened, by folder (Landlock). Files already open are not affected.
  package struct FileRules: ~Copyable {
    /// The kernel's Landlock ABI version; nil where it is missing or disabled.
    package static var version: Int32? {
      let version = plat_landlock_version()
      return version > 0 ? version : nil
    }

    private let fd: Int32

    package init() throws(SystemError) {
      fd = try check("landlock_create_ruleset", plat_landlock_begin())
    }

    deinit { Descriptor.close(fd) }

    /// Allows a folder and everything below it, or a file. A missing or inaccessible path is skipped.
    package func allow(_ path: String, writing: Bool = false) throws(SystemError) {
      let result = plat_landlock_allow(fd, path, writing ? 1 : 0)
      if result == -ENOENT || result == -ENOTDIR || result == -EACCES { return }
      _ = try check("landlock_add_rule", result, subject: path)
    }

    /// Enforces the rules for this thread and the threads it creates.
    package consuming func enforce() throws(SystemError) {
      _ = try check("landlock_restrict_self", plat_landlock_enforce(fd))
    }
  }

#endif
