// SPDX-License-Identifier: Apache-2.0
//
// PluginSurvey: what the registry would be, for a command line without a daemon. Runs an event loop of its own until
// all files are inspected; blocks the caller meanwhile.

import HostProtocol
import Logging
import Platform

package enum PluginSurvey {
  /// Looks at `directories` in order, then at the installation's own.
  /// - Throws: `SystemError` when no event loop can be had.
  package static func report(
    directories: [String], installation: Installation
  ) throws(SystemError) -> PluginsReport {
    try registry(directories: directories, installation: installation).report
  }

  /// - Parameter files: looked at, too, though they lie elsewhere.
  package static func registry(
    directories: [String], files: [String] = [], installation: Installation
  ) throws(SystemError) -> Registry {
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    let inspector = PluginInspector(executable: installation.hostExecutable, loop: loop)
    let places =
      directories.map { PluginDirectory(path: $0, builtin: false) }
      + installation.pluginDirectories()
    // What would be logged is in the report.
    let catalog = PluginCatalog(
      directories: places, asRoot: CurrentProcess.isRoot,
      log: Logger(label: "plugins") { _ in SwiftLogNoOpLogHandler() }, actor: actor,
      inspect: inspector.inspect)
    catalog.pinnedFiles = files
    return actor.finish(on: loop) { await catalog.refresh() }
  }

  /// Looks at one file, whatever it is.
  package static func inspect(
    _ file: String, installation: Installation
  ) throws(SystemError) -> Inspection {
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    let inspector = PluginInspector(executable: installation.hostExecutable, loop: loop)
    return actor.finish(on: loop) { await inspector.inspect(file) }
  }
}
