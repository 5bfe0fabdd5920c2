// SPDX-License-Identifier: Apache-2.0
//
// plugin: commands about plugins.

import ArgumentParser
import Daemon
import Platform

struct Plugin: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List, examine, begin and check plugins.",
    discussion: """
        lima-netd plugin ls
        lima-netd plugin info slirp
        lima-netd plugin new mine --kind network --lang rust
        lima-netd plugin check ./lima-net-mine.so
      """,
    subcommands: [
      PluginList.self, PluginInfoCommand.self, PluginNew.self, PluginCheckCommand.self,
      PluginRun.self, PluginFuzz.self,
    ], defaultSubcommand: PluginList.self)
}

/// The folders to search for plugins if no daemon is asked.
struct PluginSearchOptions: ParsableArguments {
  @Option(
    name: .customLong("plugin-dir"),
    help: ArgumentHelp(
      "Without a daemon: directory to search before the built-in one. Can be repeated.",
      valueName: "dir"),
    completion: .directory)
  var directories: [String] = []

  func report(_ home: HomeOptions) throws -> PluginsReport {
    if directories.isEmpty,
      let report = try ControlClient(home).ifRunning({
        try $0.get(APIPath.plugins) as PluginsReport
      })
    {
      return report
    }
    return try PluginSurvey.report(
      directories: absoluteDirectories, installation: Self.installation())
  }

  /// `directories`, relative to this process's working directory.
  var absoluteDirectories: [String] {
    let current = CurrentProcess.workingDirectory
    return directories.map { LimaHome(path: $0, workingDirectory: current).path }
  }

  static func installation() throws -> Installation {
    Installation(executable: try ChildProcess.ownPath())
  }
}
