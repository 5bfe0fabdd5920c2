// SPDX-License-Identifier: Apache-2.0
//
// network delete: removes networks from networks.yaml. A running daemon stops them.

import ArgumentParser
import Daemon

struct NetworkDelete: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Remove networks from networks.yaml.",
    discussion: """
        lima-netd network delete lab

      Refused while guests are connected, or an instance's lima.yaml names the network; --force overrides both. The \
      comment directly above a network goes with it. An interface that `network setup` made stays, and is told.
      """, aliases: ["remove", "rm"])

  @Argument(help: "The networks.", completion: .networks)
  var names: [String]
  @Flag(name: .shortAndLong, help: "Also when the network is in use.")
  var force = false
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let editing = try NetworkEditing(home)
    var file = try editing.lockedFile()
    for name in names {
      try editing.apply(to: &file) { (text: inout NetworksText) throws(NetworksEditError) in
        try text.remove(name)
      }
      if !force { try editing.checkUnused(name) }
    }
    // By Lima's rule user-v2 is added again, and `default` always exists.
    try editing.write(file)
    let deleted = names.map { name in
      Deleted(name: name, builtin: NetworkConfiguration.builtins.contains { $0.name == name })
    }
    try listing.show(deleted) { deleted.map(\.text).joined(separator: "\n") }
    for name in names { editing.tellLeftInterface(of: name, listing) }
  }

  struct Deleted: Encodable {
    let name: String
    /// A built-in network of this name replaces it.
    let builtin: Bool

    var text: String {
      "\(name) is deleted" + (builtin ? ": the built-in one takes its place" : "")
    }
  }
}
