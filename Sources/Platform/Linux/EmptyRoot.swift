// SPDX-License-Identifier: Apache-2.0
//
// EmptyRoot: a root for a process in a mount namespace of its own, of which nothing is left but two folders:
//
//   /etc     what the supervisor keeps of the resolver's files, read-only
//   /state   the network's state
//
// Put together at the start, while the process has the privileges, and entered later, when the plugins' files are loaded,
// by a helper process that shares the root with this one and has kept the privileges (CPlatform/isolated.c). Prepare it
// before there are other threads.

#if os(Linux)

  import CPlatform
  import LibC

  package struct EmptyRoot {
    package static let etc = "/etc"
    package static let state = "/state"

    private var helper: Int32
    private var pid: Int32
    /// What the files of the two folders are allowed by (Landlock), until they are closed: a descriptor of a folder outside
    /// would lead out.
    private var folders: (etc: Int32, state: Int32)

    /// - Parameters:
    ///   - folder: has an empty folder `root`, and `etc`.
    ///   - state: the state folder.
    package init(folder: String, state: String) throws(SystemError) {
      let root = folder + "/root"
      try Mounts.makePrivate()
      try Mounts.temporary(on: root, size: "64k")
      for name in [Self.etc, Self.state] { try Files.makeDirectory(root + name, mode: 0o755) }
      try Mounts.makeReadOnly(root)
      try Mounts.bind(folder + "/etc", on: root + Self.etc)
      try Mounts.makeReadOnly(root + Self.etc)
      try Mounts.bind(state, on: root + Self.state)
      folders.etc = try check("open", plat_open_path(root + Self.etc), subject: root + Self.etc)
      folders.state = try check(
        "open", plat_open_path(root + Self.state), subject: root + Self.state)
      pid = 0
      helper = try check("clone", plat_root_helper(root, &pid), subject: root)
    }

    /// Paths by which its folders can be allowed before it is entered.
    package var readable: String { "/proc/self/fd/\(folders.etc)" }
    package var writable: String { "/proc/self/fd/\(folders.state)" }

    /// Makes it the root of this process. Once.
    package mutating func enter() throws(SystemError) {
      Descriptor.close(folders.etc)
      Descriptor.close(folders.state)
      _ = try check("pivot_root", plat_root_enter(helper, pid))
    }
  }

#endif
