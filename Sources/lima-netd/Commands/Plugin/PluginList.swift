// SPDX-License-Identifier: Apache-2.0
//
// plugin ls: lists plugins, the modes they serve, and why a file is not loaded. From the daemon if one runs; otherwise as a
// daemon started now would find them.

import ArgumentParser
import Daemon

struct PluginList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List the plugins that were found, and the modes they serve.",
    discussion: """
        lima-netd plugin ls
        lima-netd plugin ls --plugin-dir ./plugins
      """, aliases: ["list"])

  @OptionGroup var search: PluginSearchOptions
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let report = try search.report(home)
    try listing.show(report) { PluginText.list(report) }
  }
}
