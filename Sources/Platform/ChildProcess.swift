// SPDX-License-Identifier: Apache-2.0
//
// Child processes: posix_spawn with an exact set of descriptors, and their exit status. Never fork: it copies only
// the calling thread, and plugins may have others.

import LibC
import CPlatform

package enum ChildProcess {
  /// How a child ended.
  package enum ExitStatus: Hashable, Sendable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32, coreDumped: Bool)

    package init(waitStatus: Int32) {
      let signal = plat_wait_signal(waitStatus)
      self =
        signal != 0
        ? .killed(signal: signal, coreDumped: plat_wait_core_dumped(waitStatus) != 0)
        : .exited(plat_wait_exit_code(waitStatus))
    }

    package var isSuccess: Bool { self == .exited(0) }

    package var isKilled: Bool {
      if case .killed = self { true } else { false }
    }

    /// The exit status in a shell: 128 + signal for a killed child.
    package var shellStatus: Int32 {
      switch self {
      case .exited(let code): code
      case .killed(let signal, _): 128 + signal
      }
    }

    /// "exited with status 3", "killed by SIGSEGV"
    package var description: String {
      switch self {
      case .exited(let code): return "exited with status \(code)"
      case .killed(let signal, let core):
        let name = plat_signal_name(signal).map { String(cString: $0) } ?? "signal \(signal)"
        return "killed by \(name)" + (core ? " (core dumped)" : "")
      }
    }
  }

  /// Starts `path`. `arguments` are those after argv[0]. `fds` says which
  /// descriptor (`from`) is which in the child (`to`); 0, 1 and 2 are inherited
  /// unless mapped, `output` is short for mapping 1 and 2. Every other
  /// descriptor is closed. The environment is inherited with nil.
  /// - Parameter newGroup: a process group of its own, so that the terminal's
  ///   Ctrl-C does not reach it.
  package static func spawn(
    _ path: String, _ arguments: [String], environment: [String]? = nil,
    fds: [(from: Int32, to: Int32)] = [], output: Int32? = nil, newGroup: Bool = false
  ) throws(SystemError) -> Int32 {
    var pairs: [Int32] = []
    for fd in fds { pairs += [fd.from, fd.to] }
    if let output { pairs += [output, 1, output, 2] }
    let count = UInt32(pairs.count / 2)
    let result = withCStrings([path] + arguments) { argv in
      guard let environment else {
        return plat_spawn(path, argv, nil, pairs, count, newGroup ? 1 : 0)
      }
      return withCStrings(environment) { envp in
        plat_spawn(path, argv, envp, pairs, count, newGroup ? 1 : 0)
      }
    }
    return try check("posix_spawn", result, subject: path)
  }

  #if os(Linux)
    /// The same in mount, process and IPC namespaces of its own, as process 1 and the leader of its group. A process
    /// without root's privileges makes a user namespace for that, in which it is root.
    /// - Parameter isUserNamespaceAllowed: false: EPERM where one is needed.
    /// - Returns: its pid here. In a user namespace it is told so, by `--user-namespace yes` behind its arguments.
    package static func spawnIsolated(
      _ path: String, _ arguments: [String], environment: [String],
      fds: [(from: Int32, to: Int32)], output: Int32, isUserNamespaceAllowed: Bool
    ) throws(SystemError) -> Int32 {
      var pairs: [Int32] = []
      for fd in fds { pairs += [fd.from, fd.to] }
      pairs += [output, 1, output, 2]
      let count = UInt32(pairs.count / 2)
      func spawn(_ isInUserNamespace: Bool) -> Int32 {
        let more = isInUserNamespace ? ["--user-namespace", "yes"] : []
        return withCStrings([path] + arguments + more) { argv in
          withCStrings(environment) { envp in
            plat_spawn_isolated(path, argv, envp, pairs, count, isInUserNamespace ? 1 : 0)
          }
        }
      }
      if geteuid() == 0 {
        let result = spawn(false)
        if result != -EPERM || !isUserNamespaceAllowed {
          return try check("clone", result, subject: path)
        }
      }
      return try check("clone", spawn(true), subject: path)
    }
  #endif

  /// Replaces the program of this process by `path` (execv). Descriptors without CLOEXEC stay open, because the
  /// parent may watch one.
  /// - Throws: when exec fails; SIGPIPE is no longer ignored then.
  package static func replace(_ path: String, _ arguments: [String]) throws(SystemError) -> Never {
    _ = signal(SIGPIPE, SIG_DFL)
    #if os(Linux)
      // Some libraries (NIO) open theirs without CLOEXEC.
      for fd in 3..<Int32(clamping: min(CurrentProcess.descriptorLimit ?? 1024, 1 << 16))
      where link("/proc/self/fd/\(fd)") == "anon_inode:[eventpoll]" {
        _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
      }
    #endif
    _ = withCStrings([path] + arguments) { execv(path, $0) }
    throw SystemError("execv", .current, subject: path)
  }

  /// A NULL-ended array of C strings, valid during `body`.
  static func withWords<Result>(
    _ words: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result { withCStrings(words, body) }

  #if os(Linux)
    /// The target of a symbolic link; nil: there is none.
    static func link(_ path: String) -> String? {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let length = buffer.withUnsafeMutableBytes { bytes -> Int in
        guard let base = bytes.baseAddress else { return -1 }
        return readlink(path, base.assumingMemoryBound(to: CChar.self), bytes.count)
      }
      return length > 0 ? String(decoding: buffer[..<length], as: UTF8.self) : nil
    }
  #endif

  /// Waits for the child's end.
  package static func wait(_ pid: Int32) throws(SystemError) -> ExitStatus {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 {
      guard errno == EINTR else { throw SystemError("waitpid", .current) }
    }
    return ExitStatus(waitStatus: status)
  }

  /// The child's end, or nil while it runs.
  package static func poll(_ pid: Int32) throws(SystemError) -> ExitStatus? {
    var status: Int32 = 0
    while true {
      let result = waitpid(pid, &status, WNOHANG)
      if result > 0 { return ExitStatus(waitStatus: status) }
      if result == 0 { return nil }
      guard errno == EINTR else { throw SystemError("waitpid", .current) }
    }
  }

  /// Waits for every child that has ended, as process 1 must.
  /// - Returns: the status of `pid`, if it is among them.
  package static func reapAll(until pid: Int32) -> ExitStatus? {
    var status: Int32 = 0
    while true {
      let ended = waitpid(-1, &status, WNOHANG)
      if ended == pid { return ExitStatus(waitStatus: status) }
      if ended > 0 || (ended < 0 && errno == EINTR) { continue }
      return nil
    }
  }

  /// Waits at most `timeout` nanoseconds; nil when it still runs.
  package static func wait(_ pid: Int32, timeout: UInt64) throws(SystemError) -> ExitStatus? {
    let deadline = MonotonicClock.now() &+ timeout
    var pause: UInt32 = 500
    while true {
      if let status = try poll(pid) { return status }
      guard MonotonicClock.now() < deadline else { return nil }
      usleep(pause)
      pause = min(pause * 2, 20_000)
    }
  }

  /// Whether a signal has stopped it and SIGCONT has not come since.
  package static func isStopped(_ pid: Int32) -> Bool {
    var info = siginfo_t()
    // WNOWAIT: the state stays available to later calls.
    return waitid(P_PID, id_t(pid), &info, WSTOPPED | WNOHANG | WNOWAIT) == 0
      && info.si_signo == SIGCHLD
  }

  #if os(Linux)
    /// A descriptor that becomes readable when the child ends. The caller
    /// closes it, and still has to `wait`.
    package static func watch(_ pid: Int32) throws(SystemError) -> Int32 {
      try check("pidfd_open", plat_pidfd_open(pid))
    }
  #endif

  /// Signals one process; a pid of 0 or below, which names a group, is ignored.
  package static func kill(_ pid: Int32, _ signal: Int32) {
    if pid > 0 { _ = systemKill(pid, signal) }
  }

  /// Kills every process of the group of a child that was started with `newGroup`. Call it right after the child's
  /// end, before its pid can be reused.
  package static func killGroup(of leader: Int32) {
    if leader > 1 { _ = systemKill(-leader, 9) }
  }

  /// The running program's own file.
  package static func ownPath() throws(SystemError) -> String {
    #if os(Linux)
      guard let path = link("/proc/self/exe") else {
        throw SystemError("readlink", .current, subject: "/proc/self/exe")
      }
      return path
    #else
      var size: UInt32 = 4096
      var buffer = [CChar](repeating: 0, count: Int(size))
      guard _NSGetExecutablePath(&buffer, &size) == 0 else {
        throw SystemError("_NSGetExecutablePath", Errno(ENAMETOOLONG))
      }
      return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    #endif
  }
}

/// A NULL-ended array of C strings, valid during `body`.
private func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
  pointers.append(nil)
  defer { for pointer in pointers { free(pointer) } }
  return pointers.withUnsafeBufferPointer { buffer in
    // An array with at least its final NULL has a base address.
    body(buffer.baseAddress.unsafelyUnwrapped)
  }
}
