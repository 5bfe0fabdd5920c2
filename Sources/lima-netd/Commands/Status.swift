// SPDX-License-Identifier: Apache-2.0
//
// status: is the daemon well, and its networks?

import ArgumentParser
import Daemon
import Platform

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show whether the daemon runs, and how its networks are.",
    discussion: """
      The first line is the answer; then come the networks, and what deserves attention: a configuration that was \
      refused, a plugin that died and why.

        lima-netd status
        lima-netd status --json | jq '.networks[] | {name, state, plugin}'

      The status is 0 when a daemon runs, also when a network of it has failed.
      """)

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let status: StatusReport = try ControlClient(home).get(APIPath.status)
    try listing.show(status) { Self.text(status) }
  }

  static func text(_ status: StatusReport) -> String {
    let running = status.networks.filter { $0.state == .running }.count
    let guests = status.networks.reduce(0) { $0 + $1.guests.count }
    var lines = [
      "lima-netd \(status.version) serves \(status.home): \(running) of \(Plural.text(status.networks.count, "network")) running, "
        + Plural.text(guests, "guest"),
      "process \(status.pid), since \(status.started), configuration "
        + (status.config.present
          ? status.config.file : "built in (there is no \(status.config.file))"),
      "",
      NetworkText.table(status.networks),
    ]
    var notes =
      status.config.error.map {
        ["configuration refused, the one before is in force: \($0)"]
      } ?? []
    for network in status.networks {
      if let exit = network.lastExit {
        notes.append("\(network.name): \(exit.reason) at \(exit.time); log: \(network.log)")
      }
    }
    notes += status.warnings.map { "warning: \($0)" }
    if !notes.isEmpty { lines += [""] + notes }
    return lines.joined(separator: "\n")
  }
}
