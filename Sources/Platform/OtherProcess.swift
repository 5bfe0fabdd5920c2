// SPDX-License-Identifier: Apache-2.0
//
// OtherProcess: what can be known of a process that is not our child.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

package enum OtherProcess {
  /// Whether a process of this number runs, whoever's it is. One that has ended, and whose parent has not asked for its
  /// status yet, does not.
  package static func isAlive(_ pid: Int32) -> Bool {
    guard pid > 0, systemKill(pid, 0) == 0 || errno == EPERM else { return false }
    return state(pid) != "Z"
  }

  /// What it does: "R" runs, "S" and "D" wait, "T" and "t" are stopped, "Z" has ended (proc_pid_stat(5)); nil where the
  /// system does not tell.
  package static func state(_ pid: Int32) -> Character? {
    #if os(Linux)
      guard let bytes = try? Files.read("/proc/\(pid)/stat", limit: 4096) else { return nil }
      // The name, in parentheses, may have any byte in it.
      let text = String(decoding: bytes, as: UTF8.self)
      return text.lastIndex(of: ")").flatMap { text[$0...].dropFirst().first { $0 != " " } }
    #else
      return nil
    #endif
  }

  /// Somebody has stopped it (SIGSTOP, a debugger): it does nothing until SIGCONT.
  package static func isStopped(_ pid: Int32) -> Bool {
    state(pid).map { "Tt".contains($0) } ?? false
  }

  /// Its argv; empty where the system does not tell.
  package static func arguments(_ pid: Int32) -> [String] {
    #if os(Linux)
      guard let bytes = try? Files.read("/proc/\(pid)/cmdline", limit: 1 << 20) else { return [] }
      return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    #else
      return []
    #endif
  }
}
