// SPDX-License-Identifier: Apache-2.0
//
// config check: reports the errors of a networks.yaml.

import ArgumentParser
import Daemon
import Platform

struct ConfigCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Find what is wrong with a networks.yaml, options of plugins included.",
    discussion: """
      Needs no daemon, and changes nothing. Each plugin that a network would have is loaded in a process of its own and \
      asked whether it takes the network's options, so that no guest has to find out. What networks need of this host \
      is for `lima-netd doctor`.

        lima-netd config check
        lima-netd config check draft.yaml
        lima-netd config check --json | jq -r '.problems[].message'

      The status is 1 when the file would be refused or a network of it could not start, 0 with warnings alone.
      """)

  @Argument(help: "The file. (default: networks.yaml of the Lima home)", completion: .file())
  var file: String?
  @OptionGroup var search: PluginSearchOptions
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let here = CurrentProcess.workingDirectory
    let path =
      try file.map { LimaHome(path: $0, workingDirectory: here).path } ?? home.resolve().configFile
    let installation = try PluginSearchOptions.installation()
    let check: ConfigurationCheck
    do throws(SystemError) {
      check = try ConfigurationCheck(
        file: path, mayBeMissing: file == nil, directories: search.absoluteDirectories,
        installation: installation)
    } catch {
      throw CommandFailure("\(error)")
    }
    try listing.show(check) { Self.text(check) }
    if !check.isWell { throw ExitCode(1) }
  }

  static func text(_ check: ConfigurationCheck) -> String {
    let lines = check.problems.map { "\($0.severity.rawValue): \($0.message)" }
    let errors = check.problems.filter { $0.severity == .error }.count
    let subject =
      check.present || !check.isWell
      ? check.file : "There is no \(check.file), the built-in networks hold"
    guard errors == 0 else {
      return (lines + ["\(subject): \(Plural.text(errors, "mistake"))"]).joined(separator: "\n")
    }
    return (lines + ["\(subject): \(Plural.text(check.networks.count, "network")), no mistake"])
      .joined(separator: "\n")
  }
}
