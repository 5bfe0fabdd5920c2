// SPDX-License-Identifier: Apache-2.0

import Platform

extension Installation {
  /// Where plugins are looked for after those folders that the user names: the installation's folder for plugins of
  /// others (by the ABI's major version; `pkg-config --variable=plugindir lima-netd-plugin`), then lima-netd's own.
  package func pluginDirectories(exists: (String) -> Bool = { Files.exists($0) })
    -> [PluginDirectory]
  {
    let others = pluginDirectory + "/1"
    return (exists(others) ? [PluginDirectory(path: others, builtin: false)] : [])
      + [PluginDirectory(path: pluginDirectory, builtin: true)]
  }
}
