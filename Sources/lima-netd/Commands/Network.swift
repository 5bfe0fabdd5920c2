// SPDX-License-Identifier: Apache-2.0
//
// network ls, inspect, start, stop. Create, edit, delete, setup and unsetup are in other files.

import ArgumentParser
import Daemon

struct NetworkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "network",
    abstract: "List, inspect, create, change, set up, start and stop networks.",
    discussion: """
      A network starts by itself when its first guest comes, and stops some seconds after the last one has left. \
      start and stop are for those who don't want to wait for that.

        lima-netd network ls
        lima-netd network inspect default
        lima-netd network inspect default --json | jq -r .sockets.qemu
        lima-netd network stop default
        lima-netd network restart default
        lima-netd network create lab --gateway 192.168.110.1/24
        lima-netd network delete lab
      """,
    subcommands: [
      NetworkList.self, NetworkInspect.self, NetworkCreate.self, NetworkEdit.self,
      NetworkDelete.self, NetworkStart.self, NetworkStop.self, NetworkRestart.self,
      NetworkSetup.self, NetworkUnsetup.self,
    ],
    defaultSubcommand: NetworkList.self)
}

struct NetworkList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List networks.",
    discussion: """
        lima-netd network ls
        lima-netd network ls --json \\
          | jq -r '.[] | select(.state == "failed") | .name'
      """, aliases: ["list"])

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let networks: [NetworkReport] = try ControlClient(home).get(APIPath.networks)
    try listing.show(networks) { NetworkText.table(networks) }
  }
}

struct NetworkInspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show all there is to know about a network.",
    discussion: """
        lima-netd network inspect default
        lima-netd network inspect default --json | jq .live
      """)

  @Argument(help: "The network.", completion: .networks)
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
    commandName: "start", abstract: "Start a network before its first guest comes.",
    discussion: """
        lima-netd network start default

      It runs until it is stopped, with or without guests. One that runs keeps the settings that it was started with, \
      which is told where networks.yaml has others by now.
      """)

  @Argument(help: "The network.", completion: .networks)
  var name: String
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let client = try ControlClient(starting: home)
    try client.perform(.POST, APIPath.network(name, "start"))
    let report: NetworkReport = try client.get(APIPath.network(name))
    try listing.show(report) {
      NetworkText.oldSettings(report, home: home.words) ?? "\(name) is started"
    }
  }
}

struct NetworkStop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop", abstract: "Stop a network; its guests lose their connection.",
    discussion: """
        lima-netd network stop default

      The next guest that comes starts it again; forwards and names are there again then.
      """)

  @Argument(help: "The network.", completion: .networks)
  var name: String
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let network: NetworkReport = try ControlClient(home).send(
      .POST, APIPath.network(name, "stop"))
    try listing.show(network) { "\(name) is stopped" }
  }
}

struct NetworkRestart: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restart",
    abstract: "Replace a network's process, with its plugins as they are by now.",
    discussion: """
        lima-netd network restart default

      Guests keep their links and addresses, and forwards are open again; connections through the network are reset. \
      What waits in networks.yaml for the network's next start holds from then on. A network at rest is started.
      """)

  @Argument(help: "The network.", completion: .networks)
  var name: String
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let network: NetworkReport = try ControlClient(home).send(
      .POST, APIPath.network(name, "restart"))
    try listing.show(network) {
      let plugin = network.plugin.map { ", \($0.name) \($0.version)" } ?? ""
      return "\(name) has a new process\(network.host.map { " (\($0.pid)\(plugin))" } ?? "")"
    }
  }
}
