// SPDX-License-Identifier: Apache-2.0
//
// network ls, inspect, start, stop; NetworkSetup.swift has setup and unsetup.

import ArgumentParser
import Daemon

struct Network: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List, inspect, start, stop and set up networks.",
    discussion: """
      A network starts by itself when its first guest comes, and stops some seconds after the last one has left. \
      start and stop are for those who don't want to wait for that.

        lima-netd network ls
        lima-netd network inspect default
        lima-netd network inspect default --json | jq -r .sockets.qemu
        lima-netd network stop default
      """,
    subcommands: [
      NetworkList.self, NetworkInspect.self, NetworkStart.self, NetworkStop.self,
      NetworkSetup.self, NetworkUnsetup.self,
    ],
    defaultSubcommand: NetworkList.self)
}

struct NetworkList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List networks.", aliases: ["list"])

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let networks: [NetworkReport] = try ControlClient(home).get(APIPath.networks)
    try listing.show(networks) { NetworkText.table(networks) }
  }
}

struct NetworkInspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show all there is to know about a network.")

  @Argument(help: "The network.")
  var name: String
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let network: NetworkReport = try ControlClient(home).get(APIPath.network(name))
    try listing.show(network) { NetworkText.details(network) }
  }
}

struct NetworkStart: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "start", abstract: "Start a network before its first guest comes.")

  @Argument(help: "The network.")
  var name: String
  @OptionGroup var home: HomeOptions

  func run() throws {
    try ControlClient(home).perform(.POST, APIPath.network(name, "start"))
    StandardOutput.print("\(name) is started")
  }
}

struct NetworkStop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop", abstract: "Stop a network; its guests lose their connection.")

  @Argument(help: "The network.")
  var name: String
  @OptionGroup var home: HomeOptions

  func run() throws {
    try ControlClient(home).perform(.POST, APIPath.network(name, "stop"))
    StandardOutput.print("\(name) is stopped")
  }
}
