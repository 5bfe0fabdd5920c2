// SPDX-License-Identifier: Apache-2.0
//
// ReloadChanges: what two configurations differ in, and what became of it, for users. Pure.

import HostProtocol

enum ReloadChanges {
  /// - Parameter standing: of a network of `after`, now.
  static func between(
    _ before: Configuration, _ after: Configuration, standing: (String) -> NetworkStanding
  ) -> [ReloadReport.Change] {
    let old = Dictionary(before.networks.map { ($0.name, $0) }) { first, _ in first }
    let new = Dictionary(after.networks.map { ($0.name, $0) }) { first, _ in first }
    var changes: [ReloadReport.Change] = []
    if before.pluginDirectories != after.pluginDirectories {
      changes.append(ReloadReport.Change("plugins", change: "changed"))
    }
    // The first file, or none any more, has others by itself.
    if before.present == after.present, before.paths != after.paths {
      changes.append(ReloadReport.Change("paths", change: "changed"))
    }
    for name in Set(old.keys).union(new.keys).sorted() {
      func add(_ change: String, keys: [String] = [], _ standing: NetworkStanding) {
        changes.append(
          ReloadReport.Change("network", name, change: change, keys: keys).with(standing))
      }
      switch (old[name], new[name]) {
      case (.none, .some): add("added", standing(name))
      case (.some, .none): add("removed", NetworkStanding())
      case (.some(let was), .some(let now)):
        let keys = was.keysThatDiffer(from: now)
        if !keys.isEmpty { add("changed", keys: keys, standing(name)) }
      case (.none, .none): break
      }
    }
    return changes
  }

  /// Networks that still run with something else than the configuration has, though it did not change.
  static func unsettled(
    _ configuration: Configuration, without told: [ReloadReport.Change],
    standing: (String) -> NetworkStanding
  ) -> [ReloadReport.Change] {
    let names = Set(told.compactMap(\.name))
    return configuration.networks.compactMap { network in
      guard !names.contains(network.name) else { return nil }
      let standing = standing(network.name)
      guard !standing.isSettled else { return nil }
      let keys = standing.waiting + standing.refused.flatMap(\.keys)
      return ReloadReport.Change("network", network.name, change: "unchanged", keys: keys)
        .with(standing)
    }
  }
}

extension ReloadReport.Change {
  init(_ subject: String, _ name: String? = nil, change: String, keys: [String] = []) {
    self.init(
      subject: subject, name: name, change: change, keys: keys, holdsNow: true, waiting: [],
      refused: [], error: nil)
  }

  /// The same with what is known of the network now.
  func with(_ standing: NetworkStanding) -> Self {
    var change = self
    change.waiting = standing.waiting
    change.refused = standing.refused
    change.error = standing.error
    change.holdsNow = standing.isSettled
    return change
  }
}

extension NetworkConfiguration {
  /// By the keys of networks.yaml: "gateway", "options.mtu", "dns.servers".
  func keysThatDiffer(from other: NetworkConfiguration) -> [String] {
    var keys = settings.keysThatDiffer(from: other.settings)
    if hosts != other.hosts { keys.append("dns.hosts") }
    if watchdog != other.watchdog { keys.append("watchdog") }
    return keys
  }
}

extension NetworkConfiguration.Settings {
  func keysThatDiffer(from other: Self) -> [String] {
    var keys: [String] = []
    func compare<Value: Equatable>(_ key: String, _ value: (Self) -> Value) {
      if value(self) != value(other) { keys.append(key) }
    }
    compare("mode") { $0.mode }
    compare("interface") { $0.interface }
    compare("gateway") { $0.gateway }
    compare("netmask") { $0.netmask }
    compare("dhcpEnd") { $0.dhcpEnd }
    compare("plugin") { $0.plugin }
    compare("sandbox") { [$0.isConfined, $0.isStrict] }
    compare("user") { $0.user }
    compare("egress") { $0.options["egress"] }
    compare("closedNetworks") { $0.closedNetworks }
    keys += Self.members(options, other.options).filter { $0 != "egress" }.map { "options.\($0)" }
    compare("dns.plugin") { $0.dns }
    keys += Self.members(dnsOptions, other.dnsOptions).map { "dns.options.\($0)" }
    compare("dns.plugins") { $0.dnsBehind }
    compare("dns.servers") { $0.dnsServers }
    compare("dns.ipv6") { $0.dnsIPv6 }
    compare("dns.localOnly") { $0.dnsLocalOnly }
    // Only instances ask for it.
    compare("dns") { $0.dnsForwards }
    return keys
  }

  private static func members(_ old: JSONObject, _ new: JSONObject) -> [String] {
    Set(old.members.map(\.name)).union(new.members.map(\.name)).sorted().filter {
      old[$0] != new[$0]
    }
  }
}
