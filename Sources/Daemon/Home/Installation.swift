// SPDX-License-Identifier: Apache-2.0
//
// Installation: where lima-netd's other files are.

import Platform

/// Where they are, seen from its executable: beside it in a build tree, in libexec and lib once
/// installed.
package struct Installation: Sendable, Hashable {
  package var hostExecutable: String
  package var pluginDirectory: String
  /// lima-netd itself, for remedies.
  package var executable: String

  package init(hostExecutable: String, pluginDirectory: String, executable: String = "lima-netd") {
    self.hostExecutable = hostExecutable
    self.pluginDirectory = pluginDirectory
    self.executable = executable
  }

  /// The helper that makes a TAP of the host's (Sources/lima-netd-tap), beside the network-host.
  package var tapHelper: String { Self.parent(hostExecutable) + "/lima-netd-tap" }

  /// What a command run by root needs said of `home`: nothing where it is the caller's usual one.
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
