// SPDX-License-Identifier: Apache-2.0
//
// Installation: the locations of lima-netd's other files.

import Platform

/// Locations relative to the executable: next to it in a build tree, in libexec and lib when installed.
package struct Installation: Sendable, Hashable {
  package var hostExecutable: String
  package var pluginDirectory: String
  /// Path of lima-netd, for remedies.
  package var executable: String

  package init(hostExecutable: String, pluginDirectory: String, executable: String = "lima-netd") {
    self.hostExecutable = hostExecutable
    self.pluginDirectory = pluginDirectory
    self.executable = executable
  }

  /// The helper that makes TAPs of the host (Sources/lima-netd-tap), next to lima-netd-host.
  package var tapHelper: String { Self.parent(hostExecutable) + "/lima-netd-tap" }

  /// Options with which a command run as root refers to `home`; "" if it is the caller's default home.
  package func homeWords(for home: LimaHome) -> String {
    let usual = CurrentProcess.environment["HOME"].map { $0 + "/.lima" }
    return usual == home.path ? "" : " --lima-home \(ShellWord.quoted(home.path))"
  }

  /// - Parameter executable: absolute, without symbolic links.
  package init(executable: String, exists: (String) -> Bool = { Files.exists($0) }) {
    let directory = Self.parent(executable)
    let prefix = Self.parent(directory)
    let beside = directory + "/lima-netd-host"
    let installed = prefix + "/libexec/lima-netd/lima-netd-host"
    hostExecutable = exists(beside) || !exists(installed) ? beside : installed
    let plugins = prefix + "/lib/lima-netd/plugins"
    pluginDirectory = exists(plugins) ? plugins : directory
    self.executable = executable
  }

  private static func parent(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "" }
    return String(path[..<slash])
  }
}
