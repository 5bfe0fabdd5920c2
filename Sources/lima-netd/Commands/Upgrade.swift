// SPDX-License-Identifier: Apache-2.0
//
// upgrade: another version of the daemon in the running one's place. upgrade-check: what that version is asked before.

import ArgumentParser
import Daemon
import Platform

struct Upgrade: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put the installed version in the running daemon's place; guests notice nothing.",
    discussion: """
        lima-netd upgrade
        lima-netd upgrade --json | jq -r .to

      The daemon executes the file that it was started from, as it is by now, in its own place: it keeps its process \
      number, its sockets, guests, forwards, names and leases. Networks' processes go on untouched, with the plugins that \
      they have; `lima-netd network restart NAME` gives one of them the new plugins, and resets its connections. \
      Commands that ask the daemon meanwhile wait some tenths of a second. `capture` goes on with \
      another stream.

      Before anything is given up the new version is asked whether it goes on with all of it. If it does not, or does \
      not come up, the running daemon serves on, and the status is 1. Where it is too far from the version that runs to \
      understand its networks' processes, it says so; with --restart-networks these are replaced then. SIGUSR2 to the \
      daemon does the same, without that option; its log tells what came of it.
      """)

  @Flag(
    help:
      "Replace processes of networks that the new version does not understand: guests keep their links, and their connections are reset."
  )
  var restartNetworks = false

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    guard let report = try DaemonControl(home).upgrade(restartNetworks: restartNetworks) else {
      throw ControlClient.DaemonNotRunning(home: try home.resolve().path)
    }
    try listing.show(report) { Self.text(report) }
  }

  static func text(_ report: UpgradeReport) -> String {
    let (from, to) = (report.from ?? "", report.to ?? "")
    var lines = [
      (from == to
        ? "The daemon is version \(to) still, of \(report.executable) as it is now"
        : "The daemon is version \(to), and was \(from)")
        + "; clients waited \(report.pause ?? 0) ms",
      report.networks.isEmpty
        ? "No network was running"
        : "\(report.networks.joined(separator: ", ")): went on, with "
          + Plural.text(report.guests, "guest"),
    ]
    if !report.restarted.isEmpty {
      lines.append(
        "\(report.restarted.joined(separator: ", ")): have new processes, and connections were reset"
      )
    }
    if !report.networks.isEmpty {
      lines.append("New plugins, for a network:  lima-netd network restart NAME")
    }
    return lines.joined(separator: "\n")
  }
}

/// Of a daemon that is about to be replaced, with its state at standard input.
struct UpgradeCheck: ParsableCommand {
  static let name = "upgrade-check"

  static let configuration = CommandConfiguration(
    commandName: name, abstract: "Whether this version goes on with a daemon's state.",
    shouldDisplay: false)

  @Argument(parsing: .postTerminator, help: "What the daemon was started with.")
  var words: [String] = []

  func run() throws {
    let verdict: UpgradeVerdict
    do {
      let command = try Main.alone(words) ?? LimaNetd.parseAsRoot(words)
      guard let serve = command as? Serve else {
        throw ValidationError("the daemon was started with words that are none of a daemon's")
      }
      verdict = try serve.options().verdict(on: 0)
    } catch {
      verdict = UpgradeVerdict(
        version: LimaNetd.version,
        error: ErrorReport(
          code: "INVALID_CONFIG",
          message: "it does not take \(words.joined(separator: " ")): "
            + LimaNetd.message(for: error)))
    }
    StandardOutput.print(try JSONText.string(verdict))
  }
}
