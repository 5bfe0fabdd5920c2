// SPDX-License-Identifier: Apache-2.0
//
// dns cache ls, flush: the answers that networks keep.

import ArgumentParser
import Daemon

struct DNSCache: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cache", abstract: "Show or forget the answers that networks keep.",
    discussion: """
      Each network keeps what its DNS plugin answered for as long as the answer says. It forgets all of it by itself \
      when its plugin is changed, and when the host's network or resolver configuration does.

        lima-netd dns cache ls
        lima-netd dns cache ls --network default --json
        lima-netd dns cache flush
      """,
    subcommands: [DNSCacheList.self, DNSCacheFlush.self], defaultSubcommand: DNSCacheList.self)
}

struct DNSCacheOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Only this network's. (default: those of all)", valueName: "network"))
  var network: String?

  func networks(_ client: ControlClient) throws -> [String] {
    if let network { return [network] }
    let reports: [NetworkReport] = try client.get(APIPath.networks)
    return reports.filter { $0.state == .running }.map(\.name)
  }
}

struct DNSCacheList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List the answers kept.",
    discussion: """
        lima-netd dns cache ls
        lima-netd dns cache ls --network default --json
      """, aliases: ["list"])

  @OptionGroup var which: DNSCacheOptions
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let client = try ControlClient(home)
    let entries = try which.networks(client).flatMap { name -> [DNSCacheReport] in
      try client.get(APIPath.network(name, "dns", "cache"))
    }.sorted { ($0.network, $0.name, $0.type) < ($1.network, $1.name, $1.type) }
    try listing.show(entries) { Self.text(entries) }
  }

  static func text(_ entries: [DNSCacheReport]) -> String {
    var table = Table("NAME", "TYPE", "ANSWER", "SECONDS LEFT", "NETWORK")
    for entry in entries {
      table.add(
        entry.name.isEmpty ? "." : entry.name, entry.type, answer(entry), String(entry.ttl),
        entry.network)
    }
    return table.isEmpty ? "No answers are kept." : table.text
  }

  /// "2 records", "no such name", "no such type"
  static func answer(_ entry: DNSCacheReport) -> String {
    switch (entry.code, entry.answers) {
    case ("NOERROR", 0): "no such type"
    case ("NOERROR", 1): "1 record"
    case ("NOERROR", let count): "\(count) records"
    case ("NXDOMAIN", _): "no such name"
    default: entry.code
    }
  }
}

struct DNSCacheFlush: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flush", abstract: "Forget the answers kept.",
    discussion: """
        lima-netd dns cache flush
        lima-netd dns cache flush --network default
      """)

  @OptionGroup var which: DNSCacheOptions
  @Flag(help: "Print the networks' names as one JSON document.")
  var json = false
  @OptionGroup var home: HomeOptions

  func run() throws {
    let client = try ControlClient(home)
    let networks = try which.networks(client)
    for name in networks { try client.perform(.DELETE, APIPath.network(name, "dns", "cache")) }
    guard !json else { return StandardOutput.print(try JSONText.string(networks, pretty: true)) }
    StandardOutput.print(
      networks.isEmpty
        ? "No network runs." : "Forgot the answers of \(networks.joined(separator: ", "))")
  }
}
