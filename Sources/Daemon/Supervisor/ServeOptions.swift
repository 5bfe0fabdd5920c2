// SPDX-License-Identifier: Apache-2.0
//
// ServeOptions: what `serve` was told, and where the other parts of the installation lie.

import Platform

package struct ServeOptions: Sendable {
  package var home: LimaHome
  package var configFile: String
  /// The home that remedies are about, where it is another: `exec` gives its own daemon a temporary one.
  package var remedyHome: LimaHome?
  /// `--plugin-dir`, absolute, in order.
  package var pluginDirectories: [String]
  /// Nanoseconds.
  package var gracePeriod: UInt64
  package var version: String
  package var installation: Installation

  package static let defaultGracePeriod: UInt64 = 10_000_000_000

  package init(
    home: LimaHome, configFile: String? = nil, pluginDirectories: [String] = [],
    gracePeriod: UInt64 = ServeOptions.defaultGracePeriod, version: String,
    installation: Installation
  ) {
    self.home = home
    self.configFile = configFile ?? home.configFile
    self.pluginDirectories = pluginDirectories
    self.gracePeriod = gracePeriod
    self.version = version
    self.installation = installation
  }

  /// What remedies say of the home.
  var homeWords: String { installation.homeWords(for: remedyHome ?? home) }
}

/// Where lima-netd's other files are, seen from its executable: beside it in a build tree, in libexec and lib once
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

  /// Where plugins are looked for after those folders that the user names: the installation's folder for plugins of
  /// others (by the ABI's major version; `pkg-config --variable=plugindir lima-netd-plugin`), then lima-netd's own.
  package func pluginDirectories(exists: (String) -> Bool = { Files.exists($0) })
    -> [PluginDirectory]
  {
    let others = pluginDirectory + "/1"
    return (exists(others) ? [PluginDirectory(path: others, builtin: false)] : [])
      + [PluginDirectory(path: pluginDirectory, builtin: true)]
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
