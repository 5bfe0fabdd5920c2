// SPDX-License-Identifier: Apache-2.0
//
// egress: flows of guests that networks' rules denied or ended.

import ArgumentParser
import Daemon

struct EgressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "egress",
    abstract: "List the connections that networks' egress rules have denied to guests, or ended.",
    discussion: """
        lima-netd egress
        lima-netd egress default --json

      The rules stand in networks.yaml, as `egress: internet` of a network. They hold at once when they change: ENDED \
      counts connections that were open and that the new ones deny.
      """)

  @Argument(help: "Only those of this network.", completion: .networks)
  var network: String?
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  /// A destination that was denied to a guest.
  struct Row: Codable {
    var network: String
    /// The guest's name at that time; nil: unknown.
    var name: String?
    /// The guest's address, the same for all guests of an isolated network.
    var guest: String
    var mac: String
    var `protocol`: String
    var destination: String
    /// "rule 2", "default: deny", "host: false", "link-local", or a preset.
    var reason: String
    /// How often it was denied.
    var count: Int
    /// Number of open flows that ended when the rules changed.
    var ended: Int
    var secondsAgo: Int
  }

  func run() throws {
    let client = try ControlClient(home)
    let names: [String]
    if let network {
      names = [network]
    } else {
      let networks: [NetworkReport] = try client.get(APIPath.networks)
      names = networks.filter { $0.state == .running }.map(\.name)
    }
    var rows: [Row] = []
    for name in names {
      let report: NetworkReport = try client.get(APIPath.network(name))
      var found = Self.rows(of: report)
      if !found.isEmpty {
        let guests: [GuestDetail] = try client.get(APIPath.network(name, "guests"))
        for index in found.indices {
          found[index].name = Self.name(of: found[index].mac, guests) ?? found[index].name
        }
      }
      rows += found
    }
    try listing.show(rows) { Self.text(rows) }
  }

  static func name(of mac: String, _ guests: [GuestDetail]) -> String? {
    let found = guests.filter { $0.macs.contains(mac.lowercased()) }
    return found.count == 1 ? found[0].name : nil
  }

  /// The latest first. The plugin's data is not trusted.
  static func rows(of report: NetworkReport) -> [Row] {
    let entries = report.live?["plugin"]?["egress"]?["last"]?.array ?? []
    return entries.reversed().map { entry in
      func text(_ key: String) -> String { entry[key]?.string ?? "-" }
      func number(_ key: String) -> Int {
        if case .integer(let number)? = entry[key] { return Int(number) }
        return 0
      }
      let name = text("name")
      return Row(
        network: report.name, name: ["", "-"].contains(name) ? nil : name, guest: text("guest"),
        mac: text("mac"),
        protocol: text("protocol"), destination: text("destination"), reason: text("reason"),
        count: number("count"), ended: number("ended"), secondsAgo: number("secondsAgo"))
    }
  }

  static func text(_ rows: [Row]) -> String {
    var table = Table(
      "NETWORK", "GUEST", "ADDRESS", "PROTOCOL", "DESTINATION", "DENIED BY", "TIMES", "ENDED",
      "LAST")
    for row in rows {
      table.add(
        row.network, row.name ?? row.mac, row.guest, row.protocol, row.destination, row.reason,
        String(row.count), String(row.ended),
        "\(Leases.duration(row.secondsAgo).replacing("in ", with: "")) ago")
    }
    return table.isEmpty ? "Nothing was denied." : table.text
  }
}
