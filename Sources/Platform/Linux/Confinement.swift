// SPDX-License-Identifier: Apache-2.0
//
// Confinement: what a process of Linux gives up for good. For the calling thread and those that it makes later, but for
// the system calls, which are refused to all: before other threads are made.

#if os(Linux)

  import CPlatform
  import Glibc

  package enum Confinement {
    /// Nothing it starts has more privileges; no process of the same user may look into it; no core is left.
    package static func giveUpPrivileges() throws(SystemError) {
      _ = try check("prctl", plat_give_up_privileges())
    }

    /// Keeps those of its capabilities that are in `kept`, and no others.
    package static func keep(_ kept: Set<Capability>) throws(SystemError) {
      let mask = kept.reduce(UInt64(0)) { $0 | UInt64(1) << $1.rawValue }
      _ = try check("capset", plat_keep_capabilities(mask))
    }

    /// The numbers of the calling thread's effective capabilities.
    package static var capabilities: [UInt8] {
      let mask = plat_capabilities()
      return (0..<64).filter { mask >> UInt64($0) & 1 == 1 }
    }

    /// Refuses system calls that a network needs none of: `CPlatform/confine.c` has the list.
    package static func refuseSystemCalls() throws(SystemError) {
      _ = try check("seccomp", plat_refuse_system_calls())
    }
  }

  /// Which files may be opened, by folder (Landlock). What is open already stays so.
  package struct FileRules: ~Copyable {
    /// The kernel's version of Landlock; nil where it has none, or it is switched off.
    package static var version: Int32? {
      let version = plat_landlock_version()
      return version > 0 ? version : nil
    }

    private let fd: Int32

    package init() throws(SystemError) {
      fd = try check("landlock_create_ruleset", plat_landlock_begin())
    }

    deinit { Descriptor.close(fd) }

    /// A folder and all below it, or a file. One that is not there, or out of reach, is left out.
    package func allow(_ path: String, writing: Bool = false) throws(SystemError) {
      let result = plat_landlock_allow(fd, path, writing ? 1 : 0)
      if result == -ENOENT || result == -ENOTDIR || result == -EACCES { return }
      _ = try check("landlock_add_rule", result, subject: path)
    }

    /// From now on, for this thread and those that it makes.
    package consuming func enforce() throws(SystemError) {
      _ = try check("landlock_restrict_self", plat_landlock_enforce(fd))
    }
  }

#endif
