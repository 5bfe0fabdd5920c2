// SPDX-License-Identifier: Apache-2.0
//
// plugin info: shows the descriptor of a plugin, or of any file.

import ArgumentParser
import Daemon
import HostProtocol
import Platform

struct PluginInfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info",
    abstract: "Show what a plugin is, what it claims and which options it takes.",
    discussion: """
      A file is loaded in a process of its own, and may be any file: one that is no plugin is told why.

        lima-netd plugin info slirp
        lima-netd plugin info ./liblima-net-mine.so --json
      """)

  @Argument(
    help: "A plugin's name, or a file (anything with a slash, or a .so that is here).",
    completion: .pluginsAndFiles)
  var plugin: String
  @OptionGroup var search: PluginSearchOptions
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let found = try file.map { [try inspect($0)] } ?? named()
    if listing.json, found.count == 1 {
      try listing.show(found[0])
    } else {
      try listing.show(found) { found.map(PluginText.details).joined(separator: "\n\n") }
    }
    if found.contains(where: { !$0.ok }) { throw ExitCode.failure }
  }

  /// Anything with a slash, and what is called as a plugin's file and is here: as `check`, `run` and `fuzz` have it.
  private var file: String? {
    let here = CurrentProcess.workingDirectory
    let path = LimaHome(path: plugin, workingDirectory: here).path
    if plugin.contains("/") { return path }
    let isFile = plugin.hasSuffix(".so") && (try? Files.info(path))?.kind == .file
    return isFile ? path : nil
  }

  private func inspect(_ file: String) throws -> Inspection {
    try PluginSurvey.inspect(file, installation: PluginSearchOptions.installation())
  }

  private func named() throws -> [Inspection] {
    let report = try search.report(home)
    let found = report.files.map(\.inspection).filter { inspection in
      (inspection.plugins ?? []).contains { $0.name == plugin }
    }
    guard found.isEmpty else { return found }
    if let trouble = report.warnings.first(where: { HostTrouble.isOne($0) }) {
      throw CommandFailure(trouble)
    }
    let names = Set(report.files.flatMap { $0.inspection.plugins ?? [] }.map(\.name)).sorted()
    let meant = Identifier.nearest(to: plugin, among: names).map { ". Did you mean `\($0)`?" }
    throw CommandFailure(
      "There is no plugin `\(plugin)`\(meant ?? "")",
      remedy: names.isEmpty
        ? "No plugins were found at all:  lima-netd plugin ls"
        : "There are: \(names.joined(separator: ", ")). A file is given with its path: ./\(plugin)")
  }
}
