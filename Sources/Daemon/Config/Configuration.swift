// SPDX-License-Identifier: Apache-2.0
//
// Configuration: networks.yaml decoded and checked as far as that goes without plugins. Values; made whole or not at all.

import Platform

package struct Configuration: Sendable {
  package var file: String
  /// False: there is no file, these are the built-in networks.
  package var present: Bool
  /// Sorted by name.
  package var networks: [NetworkConfiguration]
  /// `plugins:`, searched after each `--plugin-dir` and before the built-in directory.
  package var pluginDirectories: [String]
  /// What runs as root, and where.
  package var paths: NetworksPaths
  /// Worth a line in the log, no reason to refuse the file.
  package var warnings: [ConfigProblem]
}

/// A DNS plugin of a list (`dns: {plugins: [blocklist, {plugin: hostdns, options: {...}}]}`).
package struct DNSStageChoice: Sendable, Hashable, Codable {
  package var pin: PluginPin
  package var options: JSONObject = [:]
}

/// Which plugin a network wants.
package enum PluginPin: Sendable, Hashable, Codable {
  case name(String)
  /// Absolute.
  case file(String)
}

package struct NetworkConfiguration: Sendable, Codable {
  /// All that a running network depends on. Equal settings need no restart.
  package struct Settings: Sendable, Hashable, Codable {
    package var mode: String
    package var interface: String?
    package var gateway: IPv4Address?
    package var netmask: IPv4Address?
    package var dhcpEnd: IPv4Address?
    package var plugin: PluginPin?
    /// Nil: hostdns.
    package var dns: PluginPin?
    package var dnsOptions: JSONObject = [:]
    /// Those that `dns` may ask, each the one behind it (`plugins:` has them all).
    package var dnsBehind: [DNSStageChoice] = []
    /// Nameservers for plugins that have an option for them; nil: the plugin's own choice.
    package var dnsServers: [String]?
    /// Names are asked of the host's nameservers as they are; for plugins that have an option for it.
    package var dnsForwards = false
    /// Whether names have IPv6 addresses.
    package var dnsIPv6 = true
    /// Whether only the network's own names are answered.
    package var dnsLocalOnly = false
    package var options: JSONObject = [:]
    /// Other networks of the host's that its guests do not reach: the host's addresses in them, with prefix lengths.
    package var closedNetworks: [String] = []
    /// Its process gives up what it does not need; false with `sandbox: off`.
    package var isConfined = true
    /// `sandbox: strict`: its process has namespaces of its own, an empty root, and a list of the system calls that it may make.
    package var isStrict = false
    /// As whom its process runs; nil: as the daemon does. Only of root's daemon.
    package var user: ProcessUser?

    /// These with the DNS of others: all else needs another process, DNS does not.
    package func withDNS(of other: Settings) -> Settings {
      var settings = self
      settings.dns = other.dns
      settings.dnsOptions = other.dnsOptions
      settings.dnsBehind = other.dnsBehind
      settings.dnsServers = other.dnsServers
      settings.dnsForwards = other.dnsForwards
      settings.dnsIPv6 = other.dnsIPv6
      settings.dnsLocalOnly = other.dnsLocalOnly
      return settings
    }
  }

  package var name: String
  package var builtin: Bool
  package var settings: Settings
  /// Names that the network answers by itself, each with its addresses or the one name it is an alias of. Not among
  /// the settings: the running process is told.
  package var hosts: [String: [String]] = [:]
  /// Seconds after which a process that does not respond is replaced; nil: never. Not among the settings, either.
  package var watchdog: Int? = NetworkConfiguration.defaultWatchdog
  /// Where things stand, by JSON pointer from the network ("/gateway", "/options/mtu", "/dns/options/ttl").
  package var marks: [String: Mark]

  package static let defaultWatchdog = 10
  package static let watchdogRange = 2...3600

  /// The socket of another daemon that is its uplink; nil when there is none.
  package var peerSocket: String? {
    settings.options["socket"]?.string.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The subnet it has, if it names one. Behind another daemon's socket that one's subnet holds, whatever is written.
  package var subnet: IPv4Subnet? {
    guard peerSocket == nil, let gateway = settings.gateway, let mask = settings.netmask,
      let length = IPv4Subnet.prefixLength(ofMask: mask)
    else { return nil }
    return IPv4Subnet(containing: gateway, prefixLength: length)
  }

  /// The mark of the thing at `pointer`, or of the nearest that holds it.
  package func mark(at pointer: String) -> Mark? {
    var pointer = pointer
    while true {
      if let mark = marks[pointer] { return mark }
      guard let slash = pointer.lastIndex(of: "/") else { return marks[""] }
      pointer = String(pointer[..<slash])
    }
  }
}

extension NetworkConfiguration {
  /// What Lima's template writes for these modes.
  static let defaultGateways: [String: IPv4Address] = [
    "shared": IPv4Address(0xC0A8_6901), "host": IPv4Address(0xC0A8_6A01),
  ]

  /// Lima's modes with an interface of the host's. Networks of its default file are called as their modes are.
  package static let modesWithInterface = ["shared", "host", "bridged"]

  /// A gateway of a /24 that none of the networks has a part of, and nobody of `isTaken`.
  package static func freeGateway(
    among networks: [NetworkConfiguration], isTaken: (IPv4Subnet) -> Bool = { _ in false }
  ) -> IPv4Address {
    let taken = networks.compactMap(\.subnet)
    for third in UInt32(107)...250 {
      let gateway = IPv4Address(0xC0A8_0001 | third << 8)
      let subnet = IPv4Subnet(containing: gateway, prefixLength: 24)
      if !taken.contains(where: subnet.overlaps), !isTaken(subnet) { return gateway }
    }
    return IPv4Address(0xAC1E_0101)
  }

  /// The networks that exist without any file.
  package static let builtins: [NetworkConfiguration] = [
    NetworkConfiguration(
      name: "default", builtin: true, settings: Settings(mode: "slirp"), marks: [:]),
    NetworkConfiguration(
      name: "user-v2", builtin: true,
      settings: Settings(
        mode: "user-v2", gateway: IPv4Address(0xC0A8_6801), netmask: IPv4Address(0xFFFF_FF00)),
      marks: [:]),
  ]
}
