// SPDX-License-Identifier: Apache-2.0
//
// status: the state of the daemon and its networks.

import ArgumentParser
import Daemon

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show whether the daemon runs, and how its networks are.",
    discussion: """
      The first line is the answer; then come the networks, and a NOTE for each thing that deserves attention: a \
      configuration that was refused, a plugin that died and why, a forward that does not work, two guests with one \
      Ethernet address, a guest that claims another's.

        lima-netd status
        lima-netd status --json | jq '.networks[] | {name, state, plugin}'

      The status is 0 when a daemon runs, also when a network of it has failed.
      """)

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let status: StatusReport = try ControlClient(home).get(APIPath.status)
    try listing.show(status) { StatusText.text(status) }
  }
}
