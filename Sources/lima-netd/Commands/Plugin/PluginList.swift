// SPDX-License-Identifier: Apache-2.0
//
// plugin ls: which plugins there are, what they claim, and why one is not loaded. With a daemon, as it sees them;
// without, as a daemon that is started now would.

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
