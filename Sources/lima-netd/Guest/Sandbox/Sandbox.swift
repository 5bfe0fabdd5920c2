// SPDX-License-Identifier: Apache-2.0
//
// Sandbox: the two processes between `exec --sandbox` and its command, each with one thread.
//
//   exec ── enclosure ══ process 1 ── command
//
// The enclosure creates the namespaces (user, mount, process, IPC, UTS; the network namespace is the guest's, which `exec`
// has created) and waits. Process 1 of the new process namespace sets up the file system, gives up its capabilities, runs
// the command, reaps orphans, and ends with it, whereupon the kernel kills all other processes of the namespace. The
// command has no capabilities, cannot gain any by running a program (no_new_privs), and has uid 0 in name only.

import Platform

#if os(Linux)

  import LibC

  enum Sandbox {
    /// The arguments that run `command` in a sandbox.
    /// - Parameter hidden: folders that the command must not see.
    static func words(
      around command: [String], hiding hidden: [String]
    ) throws(SystemError) -> [String] {
      [try ChildProcess.ownPath(), SandboxCommand.name] + hidden.flatMap { ["--hide", $0] } + ["--"]
        + command
    }

    /// Creates the namespaces and runs process 1 in them.
    /// - Returns: the command's exit status, as a shell's.
    static func enclose(hiding hidden: [String], _ command: [String]) throws -> Int32 {
      let signals = try ForegroundSignals(GuestCommand.signals)
      try enter()
      // The other end is closed when this process ends in any way.
      let (alive, theirs) = try UnixSocket.pair()
      defer { Descriptor.close(alive) }
      let child = try Foreground.spawn(
        [ChildProcess.ownPath(), SandboxCommand.name, "--inside", "\(theirs)"]
          + hidden.flatMap { ["--hide", $0] } + ["--"] + command,
        signals: signals, passing: (theirs, theirs))
      Descriptor.close(theirs)
      let ended = try ChildProcess.watch(child)
      while true {
        let ready = Foreground.wait([signals.fd, ended], milliseconds: -1)
        if ready[1] { return try ChildProcess.wait(child).shellStatus }
        pass(signals, to: child)
      }
    }

    /// Process 1: sets up the file system, and runs the command without capabilities.
    /// - Parameter enclosure: a socket whose other end the enclosure has.
    static func inside(
      enclosure: Int32, hiding hidden: [String], _ command: [String]
    ) throws -> Int32 {
      let signals = try ForegroundSignals(GuestCommand.signals + [SIGCHLD])
      _ = fcntl(enclosure, F_SETFD, FD_CLOEXEC)
      let folder = CurrentProcess.workingDirectory
      try SandboxFiles(hidden: hidden).lay()
      // By path, since the present working directory may be covered by a mount now.
      if chdir(folder) != 0, chdir("/") != 0 { throw SystemError("chdir", .current, subject: "/") }
      try Confinement.giveUpPrivileges()
      try Confinement.keep([])
      let environment = SandboxEnvironment.kept(of: CurrentProcess.environment)
      let child: Int32
      do throws(SystemError) {
        child = try Foreground.spawn(command, environment: environment, signals: signals)
      } catch {
        return GuestCommand.failed(command[0], error)
      }
      while true {
        let ready = Foreground.wait([signals.fd, enclosure], milliseconds: -1)
        if ready[1] { return 128 + SIGKILL }
        pass(signals, to: child)
        if let status = ChildProcess.reapAll(until: child) { return status.shellStatus }
      }
    }

    private static func pass(_ signals: borrowing ForegroundSignals, to child: Int32) {
      while let (signal, fromProcess) = signals.next() {
        // The terminal has sent it to the command, too, which is in the same process group.
        if fromProcess, signal != SIGCHLD { ChildProcess.kill(child, signal) }
      }
    }

    private static func enter() throws(SystemError) {
      let (uid, gid) = (geteuid(), getegid())
      try Namespaces.unshare([.user, .mount, .process, .ipc, .uts])
      try Namespaces.mapToRoot(uid: uid, gid: gid)
      try Mounts.makePrivate()
    }
  }

#endif
