// SPDX-License-Identifier: Apache-2.0
//
// Configuration: a decoded networks.yaml, validated except by plugins. Values.

import Platform

package struct Configuration: Sendable {
  package var file: String
  /// False: there is no file; these are the built-in networks.
  package var present: Bool
  /// Sorted by name.
  package var networks: [NetworkConfiguration]
  /// `plugins:`, searched after each `--plugin-dir` and before the built-in directory.
  package var pluginDirectories: [String]
  /// Programs that run as root, and directories for their files.
  package var paths: NetworksPaths
  /// Logged; they do not make the file invalid.
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
  /// An absolute path.
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
    /// The DNS plugins after it, each of which the one before may ask (the rest of `plugins:`).
    package var dnsBehind: [DNSStageChoice] = []
    /// Nameservers, for plugins with an option for them; nil: the plugin's default.
    package var dnsServers: [String]?
    /// Questions are forwarded to the host's nameservers unchanged; for plugins with an option for that.
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

    /// These settings with the DNS settings of `other`: only those can change without another process.
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
  /// Names that the network answers itself, with their addresses or the one name each is an alias of. Not among the
  /// settings: a running process gets changes.
  package var hosts: [String: [String]] = [:]
  /// Seconds after which a process that does not respond is replaced; nil: never. Not among the settings either.
  package var watchdog: Int? = NetworkConfiguration.defaultWatchdog
  /// Positions in the file, by JSON pointer relative to the network ("/gateway", "/options/mtu", "/dns/options/ttl").
  package var marks: [String: Mark]

  package static let defaultWatchdog = 10
  package static let watchdogRange = 2...3600

  /// The socket of another daemon that is its uplink; nil if it has none.
  package var peerSocket: String? {
    settings.options["socket"]?.string.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Its subnet, if configured. With another daemon's socket that daemon's subnet is in effect, and this is nil.
  package var subnet: IPv4Subnet? {
    guard peerSocket == nil, let gateway = settings.gateway, let mask = settings.netmask,
      let length = IPv4Subnet.prefixLength(ofMask: mask)
    else { return nil }
    return IPv4Subnet(containing: gateway, prefixLength: length)
  }

  /// The mark of the value at `pointer`, or of the nearest value that contains it.
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
  /// The defaults of Lima's template for these modes.
  static let defaultGateways: [String: IPv4Address] = [
    "shared": IPv4Address(0xC0A8_6901), "host": IPv4Address(0xC0A8_6A01),
  ]

  /// Lima's modes with an interface of the host. The networks of its default file have their modes' names.
  package static let modesWithInterface = ["shared", "host", "bridged"]

  /// A gateway of a /24 that overlaps no subnet of the networks, and for which `isTaken` is false.
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

  /// The networks that exist without a file.
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
