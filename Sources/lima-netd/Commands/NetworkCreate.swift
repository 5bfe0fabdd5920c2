// SPDX-License-Identifier: Apache-2.0
//
// network create: adds a network to networks.yaml. A daemon that runs serves it at once, since it watches the file.

import ArgumentParser
import Daemon
import Platform

struct NetworkCreate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Add a network to networks.yaml.",
    discussion: """
        lima-netd network create lab --gateway 192.168.110.1/24
        lima-netd network create lan --mode bridged --interface br0
        lima-netd network create dmz --mode shared --gateway 192.168.111.1 \\
          --dhcp-end 192.168.111.99

      Comments and order of the file stay. A home without the file gets Lima's default one first. Refused: a mode no \
      plugin serves, a subnet of another network, a subnet that this host has a route to (--force overrides this one).
      """)

  @Argument(help: "The network.")
  var name: String
  @OptionGroup var draft: NetworkDraftOptions
  @Flag(name: .shortAndLong, help: "Also when this host has a route to the subnet.")
  var force = false
  @OptionGroup var home: HomeOptions

  func run() throws {
    let editing = try NetworkEditing(home)
    var file = try editing.file()
    let draft = NetworkDraft(
      mode: self.draft.mode ?? "user-v2", gateway: self.draft.gateway,
      dhcpEnd: self.draft.dhcpEnd, interface: self.draft.interface)
    let entry: [(key: String, value: String)]
    do { entry = try draft.entry() } catch { throw CommandFailure("\(error)") }
    try editing.checkMode(draft.mode)
    if NetworkConfiguration.builtins.contains(where: { $0.name == name }), name != "user-v2" {
      throw CommandFailure("network `\(name)` already exists", remedy: "It is built in.")
    }
    try file.makeRoom(for: name, gateway: draft.gateway)
    try editing.apply(to: &file) { (text: inout NetworksText) throws(NetworksEditError) in
      try text.add(name, entry)
    }
    let network = try editing.network(name, in: file)
    if !force { try editing.checkRoutes(network) }
    try editing.write(file)
    StandardOutput.print(
      "\(name) is created: \(draft.mode)"
        + (network.subnet.map { ", \($0)" } ?? draft.interface.map { ", \($0)" } ?? ""))
  }
}

/// What `create` and `edit` say of a network.
struct NetworkDraftOptions: ParsableArguments {
  @Option(help: "Which kind of network: a mode of `lima-netd plugin ls`. (create: user-v2)")
  var mode: String?
  @Option(
    help: ArgumentHelp(
      "The gateway's address; /24 where no length is given.", valueName: "address[/length]"))
  var gateway: String?
  @Option(
    help: ArgumentHelp("The last address that guests are given.", valueName: "address"))
  var dhcpEnd: String?
  @Option(help: "bridged: the interface of the host.")
  var interface: String?

  var isEmpty: Bool { mode == nil && gateway == nil && dhcpEnd == nil && interface == nil }
}
