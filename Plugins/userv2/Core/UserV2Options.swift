// SPDX-License-Identifier: Apache-2.0
//
// The options of a user-v2 network, read and held against each other.
//
// `gateway` means what it means to Lima: an address that, with the netmask, says which network.
// Router, DNS and DHCP server are one address, the network's second, for that is what Lima writes
// into its guests (`host.lima.internal`, name server), whatever `gateway` says.

import Gateway
import LimaNetdSDK
import NetStack
import Wire

/// Options with every default filled in.
package struct UserV2Options: Equatable {
  package var subnet: CIDR
  /// What networks.yaml calls the gateway: given to no new guest, because users take it for one.
  package var gateway: IPAddress
  package var router: IPAddress
  package var lastAddress: IPAddress
  package var reservations: [MACAddress: IPAddress]
  package var domain: String
  package var ipv6: IPv6Options
  package var common: GatewayOptions

  /// The first address that DHCP gives, counted from the network's.
  private static let first: UInt32 = 3

  package init(_ options: Options) throws(PluginFailure) {
    gateway = try GatewayOptions.address(options, "gateway") ?? IPAddress(192, 168, 104, 1)
    subnet = try GatewayOptions.subnet(options, gateway: gateway)
    try GatewayOptions.check(gateway, isIn: subnet, pointer: "/gateway")
    router = try GatewayOptions.address(options, "router") ?? subnet.nth(2)
    try GatewayOptions.check(router, isIn: subnet, pointer: "/router")
    lastAddress =
      try GatewayOptions.address(options, "dhcpEnd") ?? IPAddress(v4: subnet.broadcast.v4 &- 1)
    try GatewayOptions.check(lastAddress, isIn: subnet, pointer: "/dhcpEnd")
    guard subnet.nth(Self.first) <= lastAddress else {
      throw .invalid(
        "/dhcpEnd", "\(lastAddress) leaves no address: the first is \(subnet.nth(Self.first))")
    }
    reservations = [:]
    domain = (try options.string("domain") ?? "internal").lowercased()
    guard GatewayOptions.isDomain(domain) else {
      throw .invalid("/domain", "\(domain) is not a domain name, as internal")
    }
    ipv6 = try IPv6Options(options)
    common = try GatewayOptions(options, leaseSeconds: 3600)
    reservations = try GatewayOptions.reservations(options, subnet, router: router)
  }

  /// The same for the stack.
  package var stackConfig: StackConfig {
    var config = StackConfig(subnet: subnet, gateway: router, dns: router)
    common.apply(to: &config)
    return config
  }

  /// The same for the DHCP server.
  package var dhcp: DHCPServer.Configuration {
    var configuration = DHCPServer.Configuration(serverAddress: router, subnet: subnet)
    configuration.router = router
    configuration.nameServers = [router]
    configuration.mtu = UInt16(clamping: common.mtu)
    configuration.domainName = domain
    configuration.leaseSeconds = common.leaseSeconds
    configuration.identifiesByMAC = true
    return configuration
  }

  /// The same for a gateway on a switch.
  package var settings: SwitchedSettings {
    var settings = SwitchedSettings(
      subnet: subnet, router: router, lastAddress: lastAddress, domain: domain,
      search: common.search,
      mtu: common.mtu, dhcp: dhcp, pool: pool, leaseFile: "userv2-leases.json",
      keepsLimaLeases: true)
    settings.ipv6 = ipv6
    settings.prefixFile = "userv2-prefix6"
    return settings
  }

  /// Lima gave its first guest the gateway's address, and it may keep it.
  package var pool: DHCPPool {
    var pool = DHCPPool(
      first: subnet.nth(Self.first), last: lastAddress, excluded: [router],
      reservations: reservations)
    pool.retired = [gateway, subnet.nth(1)].filter { $0 != router }.reduce(into: []) {
      $0.insert($1)
    }
    return pool
  }
}
