// SPDX-License-Identifier: Apache-2.0
//
// OtherProcess: what can be known of a process that is not our child.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

package enum OtherProcess {
  /// Whether a process of this number exists, whoever's it is.
  package static func isAlive(_ pid: Int32) -> Bool {
    guard pid > 0 else { return false }
    return systemKill(pid, 0) == 0 || errno == EPERM
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
