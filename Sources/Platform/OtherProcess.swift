// SPDX-License-Identifier: Apache-2.0
//
// OtherProcess: what the system reports of a process that is not a child of this one.

import LibC

package enum OtherProcess {
  /// Whether a process with this pid runs, of any user. A zombie does not.
  package static func isAlive(_ pid: Int32) -> Bool {
    guard pid > 0, systemKill(pid, 0) == 0 || errno == EPERM else { return false }
    return state(pid) != "Z"
  }

  /// Its state: "R" runs, "S" and "D" wait, "T" and "t" are stopped, "Z" has ended (proc_pid_stat(5)); nil where the
  /// system does not report it.
  package static func state(_ pid: Int32) -> Character? {
    #if os(Linux)
      guard let bytes = try? Files.read("/proc/\(pid)/stat", limit: 4096) else { return nil }
      // The name, in parentheses, may contain any byte.
      let text = String(decoding: bytes, as: UTF8.self)
      return text.lastIndex(of: ")").flatMap { text[$0...].dropFirst().first { $0 != " " } }
    #else
      return nil
    #endif
  }

  /// Whether the kernel is ending it, or has: its memory is gone, and its descriptors are closed one by one. False for
  /// one that is not there and where the system does not report it.
  package static func isEnding(_ pid: Int32) -> Bool {
    guard pid > 0, let state = state(pid) else { return false }
    return state == "Z" || state == "X" || arguments(pid).isEmpty
  }

  /// Stopped by a signal (SIGSTOP) or a debugger until SIGCONT.
  package static func isStopped(_ pid: Int32) -> Bool {
    state(pid).map { "Tt".contains($0) } ?? false
  }

  /// Its argv; empty where the system does not report it.
  package static func arguments(_ pid: Int32) -> [String] {
    #if os(Linux)
      guard let bytes = try? Files.read("/proc/\(pid)/cmdline", limit: 1 << 20) else { return [] }
      return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    #else
      return []
    #endif
  }
}
