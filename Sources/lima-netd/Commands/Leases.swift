// SPDX-License-Identifier: Apache-2.0
//
// leases: the guests' addresses.

import ArgumentParser
import Daemon

struct Leases: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the addresses networks have given to guests.",
    discussion: """
        lima-netd leases
        lima-netd leases default --json
      """)

  @Argument(help: "Only those of this network.", completion: .networks)
  var network: String?
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let leases: [LeaseReport] = try ControlClient(home).get(
      network.map { APIPath.network($0, "leases") } ?? APIPath.leases)
    try listing.show(leases) { Self.text(leases) }
  }

  static func text(_ leases: [LeaseReport]) -> String {
    var table = Table("ADDRESS", "MAC", "GUEST", "HOSTNAME", "NETWORK", "STATE", "EXPIRES")
    for lease in leases {
      table.add(
        lease.address, lease.mac, lease.name, lease.hostname, lease.network, lease.state,
        lease.expires.map(duration) ?? "never")
    }
    return table.isEmpty ? "No leases." : table.text
  }

  /// "in 59 min"
  static func duration(_ seconds: Int) -> String {
    switch seconds {
    case ..<0: "expired"
    case ..<120: "in \(seconds) s"
    case ..<7200: "in \(seconds / 60) min"
    default: "in \(seconds / 3600) h"
    }
  }
}
