// SPDX-License-Identifier: Apache-2.0
//
// HostEnvironment: what processes that load plugins find in their environment. By a list: the daemon's own may hold
// passwords and tokens, of which a network has no need.

import Platform

package enum HostEnvironment {
  /// Where things are, and how the C library finds names and speaks.
  private static let names: Set<String> = [
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_RUNTIME_DIR", "LANG", "LANGUAGE", "TZ",
    "LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "GLIBC_TUNABLES", "LLVM_PROFILE_FILE",
    "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
  ]
  /// `LIMA_NETD_`: what is meant for us and for plugins.
  private static let prefixes = ["LC_", "LIMA_NETD_", "SWIFT_", "MALLOC_"]

  /// This process's own, as far as listed, and no backtraces by the Swift runtime unless wanted: its handler takes
  /// seconds, in which the network is down, and a process that was sent SIGSEGV even survives it.
  package static var variables: [String] { variables(of: CurrentProcess.environment) }

  static func variables(of environment: [String: String]) -> [String] {
    var kept = environment.filter { entry in
      names.contains(entry.key) || prefixes.contains { entry.key.hasPrefix($0) }
    }
    if kept["SWIFT_BACKTRACE"] == nil { kept["SWIFT_BACKTRACE"] = "enable=no" }
    return kept.map { "\($0.key)=\($0.value)" }.sorted()
  }
}
