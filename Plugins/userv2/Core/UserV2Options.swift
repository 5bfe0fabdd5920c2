// SPDX-License-Identifier: Apache-2.0
//
// The options of a user-v2 network, parsed and checked for consistency.
//
// `gateway` has Lima's meaning: an address that, with the netmask, determines the network. Router, DNS and DHCP
// server have one address, the network's second, which Lima writes into its guests (`host.lima.internal`, name
// server), whatever `gateway` is.

import Gateway
import LimaNetdSDK
import NetStack
import Wire

/// Options with every default filled in.
package struct UserV2Options: Equatable {
  package var subnet: CIDR
  /// The gateway of networks.yaml: not assigned to new guests, because users expect a gateway there.
  package var gateway: IPAddress
  package var router: IPAddress
  package var lastAddress: IPAddress
  package var reservations: [MACAddress: IPAddress]
  package var domain: String
  package var ipv6: IPv6Options
  package var common: GatewayOptions

  /// The first address that DHCP assigns, as an offset from the network's.
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

  /// As the stack's settings.
  package var stackConfig: StackConfig {
    var config = StackConfig(subnet: subnet, gateway: router, dns: router)
    common.apply(to: &config)
    return config
  }

  /// As the DHCP server's settings.
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

  /// As the settings of a gateway on a switch.
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

  /// Lima assigned the gateway's address to its first guest, which may keep it.
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
