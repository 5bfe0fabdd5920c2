// SPDX-License-Identifier: Apache-2.0
//
// dns cache ls, flush: the cached answers of networks.

import ArgumentParser
import DNSMessage
import Daemon
import Platform

struct DNSCacheCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cache", abstract: "Show or forget the answers that networks keep.",
    discussion: """
      Each network keeps what its DNS plugin answered for as long as the answer says. It forgets all of it by itself \
      when its plugin is changed, and when the host's network or resolver configuration does.

        lima-netd dns cache ls
        lima-netd dns cache ls example.com --network default --json
        lima-netd dns cache flush
        lima-netd dns cache flush example.com --below
      """,
    subcommands: [DNSCacheList.self, DNSCacheFlush.self], defaultSubcommand: DNSCacheList.self)
}

struct DNSCacheOptions: ParsableArguments {
  @Argument(help: "Only the answers about this name. (default: all)")
  var name: String?
  @Flag(help: "And about the names below it.")
  var below = false
  @Option(
    help: ArgumentHelp("Only this network's. (default: those of all)", valueName: "network"),
    completion: .networks)
  var network: String?

  func validate() throws {
    if let name, DNSName(userText: name) == nil {
      throw ValidationError("\(name): not a domain name.")
    }
    if below, name == nil { throw ValidationError("--below which name? Give it first.") }
  }

  func networks(_ client: ControlClient) throws -> [String] {
    if let network { return [network] }
    let reports: [NetworkReport] = try client.get(APIPath.networks)
    return reports.filter { $0.state == .running }.map(\.name)
  }

  /// Whether the name is a network's, so that --network was probably meant.
  func isNetworksName(_ client: ControlClient) throws -> Bool {
    guard let name, network == nil else { return false }
    let reports: [NetworkReport] = try client.get(APIPath.networks)
    return reports.contains { $0.name == name }
  }

  func path(_ network: String) -> String {
    let path = APIPath.network(network, "dns", "cache")
    // In DNS text format, which is ASCII.
    guard let name = name.flatMap({ DNSName(userText: $0) }) else { return path }
    return path + "?name=\(APIPath.escaped("\(name)"))" + (below ? "&below=true" : "")
  }

  /// "about example.com and below", or "".
  var subject: String {
    name.map { " about \($0)" + (below ? " and the names below it" : "") } ?? ""
  }
}

struct DNSCacheList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List the answers kept.",
    discussion: """
        lima-netd dns cache ls
        lima-netd dns cache ls example.com
        lima-netd dns cache ls example.com --below --network default --json
      """, aliases: ["list"])

  @OptionGroup var which: DNSCacheOptions
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let client = try ControlClient(home)
    let entries = try which.networks(client).flatMap { name -> [DNSCacheReport] in
      try client.get(which.path(name))
    }.sorted { ($0.network, $0.name, $0.type) < ($1.network, $1.name, $1.type) }
    let isNetwork = try entries.isEmpty && which.isNetworksName(client)
    try listing.show(entries) {
      Self.text(entries, which.subject)
        + (isNetwork ? " To see all of that network:  --network \(which.name ?? "")" : "")
    }
  }

  static func text(_ entries: [DNSCacheReport], _ subject: String = "") -> String {
    var table = Table("NAME", "TYPE", "ANSWER", "SECONDS LEFT", "NETWORK")
    for entry in entries {
      table.add(
        entry.name.isEmpty ? "." : entry.name, type(entry), answer(entry), String(entry.ttl),
        entry.network)
    }
    return table.isEmpty ? "No answers\(subject) are kept." : table.text
  }

  /// "A", "TXT CH"; with what distinguishes two rows of the same name and type: "A (do)".
  private static func type(_ entry: DNSCacheReport) -> String {
    entry.type + (entry.class == "IN" ? "" : " \(entry.class)")
      + (entry.flags.isEmpty ? "" : " (\(entry.flags))")
  }

  /// "2 records", "no such name", "no such type"
  static func answer(_ entry: DNSCacheReport) -> String {
    switch (entry.code, entry.answers) {
    case ("NOERROR", 0): "no such type"
    case ("NOERROR", let count): Plural.text(count, "record")
    case ("NXDOMAIN", _): "no such name"
    default: entry.code
    }
  }
}

struct DNSCacheFlush: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flush", abstract: "Forget the answers kept, all or those about a name.",
    discussion: """
        lima-netd dns cache flush
        lima-netd dns cache flush example.com
        lima-netd dns cache flush example.com --below --network default

      A name's answers are those that a guest asked for under it: flush the alias, not only what it leads to.
      """)

  @OptionGroup var which: DNSCacheOptions
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let client = try ControlClient(home)
    let reports = try which.networks(client).map { name -> DNSFlushReport in
      try client.send(.DELETE, which.path(name))
    }
    try listing.show(reports) { Self.text(reports, which.subject) }
  }

  static func text(_ reports: [DNSFlushReport], _ subject: String) -> String {
    guard !reports.isEmpty else { return "No network runs: no answers are kept." }
    return reports.map {
      "\($0.network) has forgotten \(Plural.text($0.forgotten, "answer"))\(subject)"
    }.joined(separator: "\n")
  }
}
