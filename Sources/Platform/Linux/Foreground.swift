// SPDX-License-Identifier: Apache-2.0
//
// Foreground: for a program that runs another one in the foreground, as `exec` does: signals as a descriptor, a child
// that inherits what a shell would pass on, and a wait for several descriptors.

#if os(Linux)

  import CPlatform
  import LibC

  /// Signals that are read from a descriptor instead of interrupting. They stay blocked for the life of the process.
  package struct ForegroundSignals {
    package let fd: Int32
    /// The signal mask before, restored in children.
    fileprivate let maskBefore: [UInt8]

    /// - Parameter signals: SIGINT and the like. One that was ignored when this program started (nohup) stays so.
    package init(_ signals: [Int32]) throws(SystemError) {
      var mask = [UInt8](repeating: 0, count: Int(PLAT_SIGNAL_MASK_BYTES))
      let result = mask.withUnsafeMutableBytes {
        plat_signal_take(signals, UInt32(signals.count), $0.baseAddress)
      }
      fd = try check("signalfd", result)
      maskBefore = mask
    }

    /// The next pending signal, or nil. `fromProcess`: sent by kill(2); false: by the terminal, which signals the
    /// whole foreground process group.
    package func next() -> (signal: Int32, fromProcess: Bool)? {
      var fromProcess: Int32 = 0
      let signal = plat_signal_next(fd, &fromProcess)
      return signal > 0 ? (signal, fromProcess != 0) : nil
    }
  }

  package enum Foreground {
    /// Starts `command` (searched in PATH) in this process's group, with its terminal and descriptors.
    /// - Parameters:
    ///   - environment: "NAME=value" of each variable; nil: this process's.
    ///   - passing: an additional descriptor for the child, and its number there.
    ///   - endSignal: the kernel sends it to the child when this process ends first; nil: none. It does not apply to
    ///     the child's own children, nor to a setuid program.
    /// - Returns: the child's pid.
    /// - Throws: `SystemError` of exec: ENOENT (no such program), EACCES (not executable), ...
    package static func spawn(
      _ command: [String], environment: [String]? = nil, signals: borrowing ForegroundSignals,
      passing: (fd: Int32, as: Int32)? = nil, endSignal: Int32? = nil
    ) throws(SystemError) -> Int32 {
      guard let file = command.first else { throw SystemError("exec", .invalidArgument) }
      // A SIGCHLD that is ignored would take the exit status away.
      _ = signal(SIGCHLD, SIG_DFL)
      var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
      arguments.append(nil)
      defer { for argument in arguments { free(argument) } }
      var variables: [UnsafeMutablePointer<CChar>?] = environment?.map { strdup($0) } ?? []
      variables.append(nil)
      defer { for variable in variables { free(variable) } }
      let result = variables.withUnsafeBufferPointer { made in
        plat_spawn_command(
          file, arguments, environment == nil ? UnsafePointer(environ) : made.baseAddress,
          signals.maskBefore,
          passing?.fd ?? -1, passing?.as ?? -1,
          endSignal ?? 0)
      }
      return try check("exec", result, subject: file)
    }

    /// Waits until one of `fds` is readable or closed by its peer; negative ones are ignored.
    /// - Parameter milliseconds: < 0: no limit.
    /// - Returns: for each descriptor whether it is; all false after the time.
    package static func wait(_ fds: [Int32], milliseconds: Int32) -> [Bool] {
      var requests = fds.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      let ready = poll(&requests, nfds_t(requests.count), milliseconds)
      return requests.map { ready > 0 && $0.revents != 0 }
    }

    /// Creates a file, which must not exist, and opens it for writing.
    /// - Parameter mode: its permissions; the umask does not apply.
    package static func createFile(
      _ path: String, mode: mode_t = 0o600
    ) throws(SystemError) -> Int32 {
      let fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, mode)
      _ = try check("open", fd >= 0 ? 0 : -errno, subject: path)
      _ = fchmod(fd, mode)
      return fd
    }

    /// Starts a new session, so that the end of the old session or process group does not end this process.
    package static func leaveSession() {
      _ = setsid()
    }

    /// Asks the kernel for SIGTERM when the thread that started this process ends.
    package static func endWithParent() {
      _ = plat_set_parent_death_signal(SIGTERM)
    }
  }

#endif
