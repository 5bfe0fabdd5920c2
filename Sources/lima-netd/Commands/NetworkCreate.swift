// SPDX-License-Identifier: Apache-2.0
//
// network create: adds a network to networks.yaml, and makes a running daemon read it.

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
        lima-netd network create six --gateway 192.168.113.1 --prefix6 auto

      The mode of shared, host and bridged is their name's, if none is given, and the gateway of shared and host Lima's \
      own; of others the mode is user-v2. Comments and order of the file stay. A home without the file gets Lima's default \
      one, which has user-v2, shared, host and bridged; the one that is created gets the settings given. Refused: a mode no \
      plugin serves, a name too long for sockets of this home, a gateway that no interface can have, a subnet of another \
      network, a subnet that this host has a route to (--force overrides this one). Told: a subnet that is not private \
      (RFC 1918), an interface that is not there or carries no guests. A daemon that runs serves the network when the command ends.
      """)

  @Argument(help: "The network.")
  var name: String
  @OptionGroup var draft: NetworkDraftOptions
  @Flag(name: .shortAndLong, help: "Also when this host has a route to the subnet.")
  var force = false
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let editing = try NetworkEditing(home)
    var file = try editing.lockedFile()
    try editing.checkName(name, in: file)
    let draft = NetworkDraft(
      mode: self.draft.mode, gateway: self.draft.gateway, dhcpEnd: self.draft.dhcpEnd,
      interface: self.draft.interface, prefix6: self.draft.network6,
      gateway6: self.draft.gateway6, for: name)
    let entry: [(key: String, value: String)]
    do { entry = try draft.entry() } catch { throw editing.failure(error, name, draft, in: file) }
    try editing.checkMode(draft.mode)
    try add(entry, draft, to: &file, editing)
    let network = try editing.network(name, in: file)
    try editing.checkGateway(network)
    if !force { try editing.checkRoutes(network) }
    try editing.write(file)
    try listing.show(WrittenNetwork(network, file: file.path)) {
      "\(name) is created: \(draft.mode)"
        + (network.subnet.map { ", \($0)" } ?? draft.interface.map { ", \($0)" } ?? "")
        + (network.network6.map { ", \($0)" } ?? "")
    }
    editing.warn(of: network)
  }
}

extension NetworkCreate {
  /// In a home without the file, the default file is written first; if it contains a network of this name, that is changed.
  private func add(
    _ entry: [(key: String, value: String)], _ draft: NetworkDraft, to file: inout NetworksFile,
    _ editing: NetworkEditing
  ) throws {
    if let gateway = draft.gateway,
      let other = try file.defaultNetwork(withSubnetOf: gateway, otherThan: name)
    {
      let free = NetworkConfiguration.freeGateway(
        among: (try? file.configuration().networks) ?? [])
      throw CommandFailure(
        "network `\(name)` would have the subnet of `\(other.name)`, \(other.subnet.map { "\($0)" } ?? ""), "
          + "which is in the default networks.yaml that this home gets",
        remedy:
          "Take another:  lima-netd network create \(name) --mode \(draft.mode) --gateway \(free)\n"
          + "Or use `\(other.name)` as it is:  lima-netd network edit \(other.name)")
    }
    guard let before = try file.defaultNetwork(name) else {
      return try editing.apply(to: &file) {
        (text: inout NetworksText) throws(NetworksEditError) in try text.add(name, entry)
      }
    }
    let changes: [NetworksText.Change]
    do { changes = try draft.changes(of: before) } catch { throw CommandFailure("\(error)") }
    try editing.apply(to: &file) { (text: inout NetworksText) throws(NetworksEditError) in
      try text.change(name, changes)
    }
  }
}

/// The network's settings as options of `create` and `edit`.
struct NetworkDraftOptions: ParsableArguments {
  @Option(
    help:
      "Which kind of network: a mode of `lima-netd plugin ls`. (create: the name, if it is shared, host or bridged, else user-v2)",
    completion: .modes)
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
  @Option(
    help: ArgumentHelp(
      "The guests' IPv6 network, of 64 bits, as fd12:3456:789a::/64; auto writes a random one that is nobody's. (create: the network has one of its own without it)",
      valueName: "prefix or auto"))
  var prefix6: String?
  @Option(
    help: ArgumentHelp(
      "The gateway's IPv6 address; of its /64 where no prefix6 is given.", valueName: "address"))
  var gateway6: String?

  var isEmpty: Bool {
    mode == nil && gateway == nil && dhcpEnd == nil && interface == nil && prefix6 == nil
      && gateway6 == nil
  }

  /// `prefix6`, with a random network for `auto`: another one each time.
  var network6: String? {
    prefix6 == "auto" ? "\(IPv6Network.uniqueLocal(identifier: .random(in: 0 ... .max)))" : prefix6
  }
}
