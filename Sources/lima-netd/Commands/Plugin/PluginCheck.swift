// SPDX-License-Identifier: Apache-2.0
//
// plugin check: tests whether a plugin follows the rules of the ABI.

import ArgumentParser
import Daemon
import HostProtocol
import Platform

struct PluginCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Test whether a plugin file keeps to the rules.",
    discussion: """
      Each test runs in a process of its own, so that a crash is one test's failure, and ends after 15 seconds (leaks: a \
      minute). A failure says the rule, what happened, and how to mend it. No guest, network or privilege is needed.

        lima-netd plugin check ./lima-net-mine.so
        lima-netd plugin check ./lima-dns-zone.so --options '{"file": "lab.zone"}'
        lima-netd plugin check ./lima-net-mine.so --only data,lifecycle-stop --seed 7
        lima-netd plugin check --list

      The status is 0 when nothing failed, 1 when a test did, and 2 when tests could not run for want of options.
      """)

  @Argument(help: "The plugin's file.", completion: .file())
  var file: String?
  @Option(help: ArgumentHelp("The plugin's options, one JSON object.", valueName: "json"))
  var options = "{}"
  @Option(help: "Of a file with several plugins, this one alone.")
  var plugin: String?
  @Option(help: ArgumentHelp("Tests or groups to run, with commas between them.", valueName: "ids"))
  var only: String?
  @Option(help: ArgumentHelp("Tests or groups to leave out.", valueName: "ids"))
  var skip: String?
  @Option(help: "Repeats the same garbage; another number makes other garbage.")
  var seed: UInt64 = 1
  @OptionGroup var listing: ListingOptions
  @Flag(help: "Print the results in the Test Anything Protocol.")
  var tap = false
  @Flag(help: "List the tests with their rules.")
  var list = false

  func validate() throws {
    if listing.json, tap { throw ValidationError("--json and --tap are two formats: choose one.") }
    if file == nil, !list {
      throw ValidationError("Which file? Or --list, for the tests there are.")
    }
    for word in words(only) + words(skip) where !Self.known.contains(word) {
      let nearest = Identifier.nearest(to: word, among: Self.known).map { " Did you mean \($0)?" }
      throw ValidationError("There is no test or group \(word).\(nearest ?? "") See --list.")
    }
  }

  /// A test in --list.
  private struct Listed: Encodable {
    let id: String
    let group: String
    let rule: String
  }

  private static let known = Set(PluginCheck.all.flatMap { [$0.id, $0.group] })

  private func words(_ list: String?) -> [String] {
    (list ?? "").split(separator: ",").map { String($0) }
  }

  private func isWanted(_ test: PluginCheck) -> Bool {
    func names(_ words: [String]) -> Bool { words.contains(test.id) || words.contains(test.group) }
    return (only == nil || names(words(only))) && !names(words(skip))
  }

  func run() throws {
    guard let file, !list else {
      let tests = PluginCheck.all.filter(isWanted)
      return try listing.show(tests.map { Listed(id: $0.id, group: $0.group, rule: $0.rule) }) {
        tests.flatMap { test in
          Paragraph.lines(test.rule, first: test.id.padded(to: 24) + "  ", indent: 26)
        }.joined(separator: "\n")
      }
    }
    guard case .object(let given)? = try? JSONValue(parsing: options) else {
      throw CommandFailure(
        "--options is no JSON object", remedy: "Write it so:  --options '{\"timeout\": 3}'")
    }
    let path = LimaHome(path: file, workingDirectory: CurrentProcess.workingDirectory).path
    let runner = CheckRunner(
      installation: try PluginSearchOptions.installation(), file: path, seed: seed, options: given,
      plugin: plugin)
    let summary = try runner.run(where: isWanted)
    try listing.show(summary) { tap ? CheckText.tap(summary) : CheckText.summary(summary) }
    if summary.failed > 0 { throw ExitCode(1) }
    if summary.incomplete { throw ExitCode(2) }
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
