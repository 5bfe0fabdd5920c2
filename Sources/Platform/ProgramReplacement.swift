// SPDX-License-Identifier: Apache-2.0
//
// ProgramReplacement: another program in this process's place (execve(2)), which is handed descriptors. Its pid, its children
// and its working directory stay. Linux.

#if os(Linux)
  import LibC
  import CPlatform

  package enum ProgramReplacement {
    /// Signals that a daemon handles: they wait until the new program does, and would end it before.
    private static let held: [Int32] = [SIGHUP, SIGINT, SIGTERM, SIGUSR2]

    /// Executes `path`. Of this process's descriptors beyond 2 it has `descriptors` and no other; SIGPIPE stays ignored, and
    /// the signals of `SignalReceiver` are blocked.
    /// - Parameters:
    ///   - arguments: those after argv[0].
    ///   - variable: is in its environment.
    /// - Throws: when there is no such program, or it cannot be executed: this process is as it was before then.
    package static func execute(
      _ path: String, _ arguments: [String], variable: (name: String, value: String),
      keeping descriptors: [Int32]
    ) throws(SystemError) -> Never {
      var signals = sigset_t()
      var before = sigset_t()
      sigemptyset(&signals)
      for signal in held { sigaddset(&signals, signal) }
      pthread_sigmask(SIG_BLOCK, &signals, &before)
      closeAllOnExec()
      for fd in descriptors { try? Descriptor.setCloseOnExec(fd, false) }
      setenv(variable.name, variable.value, 1)
      ChildProcess.withWords([path] + arguments) { _ = execv(path, $0) }
      let error = SystemError("execv", .current, subject: path)
      for fd in descriptors { try? Descriptor.setCloseOnExec(fd) }
      unsetenv(variable.name)
      pthread_sigmask(SIG_SETMASK, &before, nil)
      throw error
    }

    /// Libraries may have opened some without (NIO).
    private static func closeAllOnExec() {
      guard plat_close_range_on_exec(3) < 0 else { return }
      for fd in 3..<Int32(clamping: min(CurrentProcess.descriptorLimit ?? 1024, 1 << 20)) {
        let flags = fcntl(fd, F_GETFD)
        if flags >= 0 { _ = fcntl(fd, F_SETFD, flags | FD_CLOEXEC) }
      }
    }
  }

  extension ChildProcess {
    /// Processes that this one is the parent of, and that nobody has waited for; empty: none, or not known.
    package static func children() -> [Int32] {
      let path = "/proc/self/task/\(getpid())/children"
      let text = (try? Files.read(path, limit: 1 << 20)) ?? []
      return String(decoding: text, as: UTF8.self).split(separator: " ").compactMap { Int32($0) }
    }
  }
#endif
