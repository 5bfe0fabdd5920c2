// SPDX-License-Identifier: Apache-2.0
//
// guest ls, inspect, rename, disconnect: the guests of a network.

import ArgumentParser
import Daemon
import Platform

struct Guests: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guest", abstract: "List, inspect, rename and disconnect guests.",
    discussion: """
        lima-netd guest ls
        lima-netd guest inspect user-v2 web
        lima-netd guest rename default guest-1 web
        lima-netd guest disconnect user-v2 52:55:55:12:34:56
      """,
    subcommands: [
      GuestList.self, GuestInspect.self, GuestRename.self, GuestDisconnect.self,
    ],
    defaultSubcommand: GuestList.self)

  /// Of one network, or of all networks.
  static func details(_ client: ControlClient, network: String?) throws -> [GuestDetail] {
    if let network { return try client.get(APIPath.network(network, "guests")) }
    let networks: [NetworkReport] = try client.get(APIPath.networks)
    return try networks.filter { !$0.guests.isEmpty }.flatMap { network in
      // The guest may have disconnected meanwhile.
      do {
        return try client.get(APIPath.network(network.name, "guests")) as [GuestDetail]
      } catch let failure as CommandFailure where failure.code == "NOT_FOUND" {
        return []
      }
    }
  }
}

struct GuestList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List guests with their addresses and traffic.",
    discussion: """
        lima-netd guest ls
        lima-netd guest ls user-v2
        lima-netd guest ls --json | jq -r '.[] | select(.drops > 0) | .name'
      """, aliases: ["list"])

  @Argument(help: "Only those of this network.", completion: .networks)
  var network: String?
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let guests = try Guests.details(ControlClient(home), network: network)
    try listing.show(guests) { GuestText.table(guests) }
  }
}

/// The arguments that select a guest of a network.
struct GuestArguments: ParsableArguments {
  @Argument(help: "The network.", completion: .networks)
  var network: String
  @Argument(
    help:
      "The guest: its name, number, Ethernet address, host name, name in DNS or address, however it is spelled.",
    completion: .guests)
  var guest: String
}

struct GuestInspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show all there is to know about a guest.",
    discussion: """
        lima-netd guest inspect default guest-1
        lima-netd guest inspect user-v2 web.internal
        lima-netd guest inspect user-v2 192.168.104.3 --json | jq .reasons
      """)

  @OptionGroup var which: GuestArguments
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let guests = try Guests.details(ControlClient(home), network: which.network)
    let guest = try GuestDetails.find(which.guest, of: guests, network: which.network)
    try listing.show(guest) { GuestText.details(guest) }
  }
}

struct GuestRename: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rename", abstract: "Call a guest something else, as long as it is connected.",
    discussion: """
      A guest that came by a socket is called guest-NUMBER, which says little to users, to forwards that name their guest \
      and to the network's DNS. Its link and its connections do not notice.

        lima-netd guest rename default guest-1 web
      """)

  @OptionGroup var which: GuestArguments
  @Argument(help: "What it is called from now on; no other guest of the network may be.")
  var name: String
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let guest: GuestDetail = try ControlClient(home).send(
      .PATCH, APIPath.network(which.network, "guests", APIPath.escaped(which.guest)),
      body: GuestChange(name: name))
    try listing.show(guest) {
      "\(Paragraph.printable(which.guest)) of \(guest.network) is called \(Paragraph.printable(guest.name))"
    }
  }
}

struct GuestDisconnect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "disconnect", abstract: "End a guest's connection to its network.",
    discussion: """
      A guest whose program connects again by itself (QEMU with reconnect=, vfkit) is back within moments, and has its \
      address again by DHCP; the command of `exec` goes on without a network.

        lima-netd guest disconnect user-v2 web
      """)

  @OptionGroup var which: GuestArguments
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let guest: GuestDetail = try ControlClient(home).send(
      .DELETE, APIPath.network(which.network, "guests", APIPath.escaped(which.guest)))
    try listing.show(guest) {
      "\(Paragraph.printable(guest.name)) of \(guest.network) is disconnected"
    }
  }
}
