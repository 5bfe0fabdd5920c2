// SPDX-License-Identifier: Apache-2.0
//
// Sandbox: the two processes between `exec --sandbox` and its command, each with one thread.
//
//   exec ── enclosure ══ process 1 ── command
//
// The enclosure makes the namespaces (user, mount, process, IPC, UTS; the network's is the guest's, which `exec` has made) and
// waits. Process 1 of the new process namespace lays out the files, gives up its capabilities, runs the command, reaps what that
// leaves behind, and ends with it: the kernel ends every other process of the namespace then. The command has no capability,
// gains none by any program (no_new_privs), and is uid 0 by name only.

import Platform

#if os(Linux)

  import LibC

  enum Sandbox {
    /// The words that run `command` in one.
    /// - Parameter hidden: folders that the command must not see.
    static func words(
      around command: [String], hiding hidden: [String]
    ) throws(SystemError) -> [String] {
      [try ChildProcess.ownPath(), SandboxCommand.name] + hidden.flatMap { ["--hide", $0] } + ["--"]
        + command
    }

    /// Makes the namespaces and runs process 1 in them.
    /// - Returns: the command's status, as a shell would.
    static func enclose(hiding hidden: [String], _ command: [String]) throws -> Int32 {
      let signals = try ForegroundSignals(GuestCommand.signals)
      try enter()
      // Its other end closes with this process, whatever ends it.
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

    /// Process 1: lays the files, and runs the command without capabilities.
    /// - Parameter enclosure: a socket that the enclosure has the other end of.
    static func inside(
      enclosure: Int32, hiding hidden: [String], _ command: [String]
    ) throws -> Int32 {
      let signals = try ForegroundSignals(GuestCommand.signals + [SIGCHLD])
      _ = fcntl(enclosure, F_SETFD, FD_CLOEXEC)
      let folder = CurrentProcess.workingDirectory
      try SandboxFiles(hidden: hidden).lay()
      // By its name: the folder that this process is in may be one that is covered now.
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
        // One of the terminal has reached the command itself: it is in our group.
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
