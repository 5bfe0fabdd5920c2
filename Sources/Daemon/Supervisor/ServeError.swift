// SPDX-License-Identifier: Apache-2.0

/// Why `serve` cannot begin.
package enum ServeError: Error, Sendable, Hashable, CustomStringConvertible {
  case alreadyRunning(home: String, pid: String)
  case noPluginDirectory(String)
  case noHost(String)
  /// No home at which sockets can be.
  case home(String)

  package var description: String {
    switch self {
    case .alreadyRunning(let home, let pid):
      let who = pid.isEmpty ? "" : " (process \(pid))"
      return
        "a lima-netd serves \(home) already\(who): stop it, or give another home with --lima-home"
    case .noPluginDirectory(let path):
      return "--plugin-dir \(path): there is no such directory"
    case .noHost(let path):
      return "\(path) is missing: it has to lie beside lima-netd, or in ../libexec/lima-netd"
    case .home(let problem):
      return problem
    }
  }
}
