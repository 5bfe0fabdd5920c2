// SPDX-License-Identifier: Apache-2.0
//
// ServeOptions: what `serve` was told.

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
