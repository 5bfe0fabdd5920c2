// SPDX-License-Identifier: Apache-2.0
//
// The options of a shared or host network, parsed and checked for consistency. The gateway is the host itself, as in
// vmnet: router, DNS and DHCP server have its address.

import Gateway
import LimaNetdSDK
import NetStack
import Wire

/// Options with every default filled in.
package struct SharedOptions: Equatable {
  /// The kinds of network.
  package enum Mode: String {
    /// Guests also reach the outside.
    case shared
    /// Guests reach the host and each other only.
    case host
  }

  package var mode: Mode
  package var subnet: CIDR
  package var gateway: IPAddress
  package var firstAddress: IPAddress
  package var lastAddress: IPAddress
  package var reservations: [MACAddress: IPAddress]
  package var domain: String
  /// DNS at the gateway's address is the host's own server.
  package var hostDNS: Bool
  package var ipv6: IPv6Options
  package var common: GatewayOptions

  package init(_ options: Options, mode: String) throws(PluginFailure) {
    self.mode = mode == Mode.host.rawValue ? .host : .shared
    gateway =
      try GatewayOptions.address(options, "gateway")
      ?? (self.mode == .host ? IPAddress(192, 168, 106, 1) : IPAddress(192, 168, 105, 1))
    subnet = try GatewayOptions.subnet(options, gateway: gateway)
    try GatewayOptions.check(gateway, isIn: subnet, pointer: "/gateway")
    lastAddress =
      try GatewayOptions.address(options, "dhcpEnd") ?? IPAddress(v4: subnet.broadcast.v4 &- 1)
    try GatewayOptions.check(lastAddress, isIn: subnet, pointer: "/dhcpEnd")
    // As in vmnet: the one after the gateway.
    firstAddress = IPAddress(v4: gateway.v4 &+ 1)
    guard firstAddress <= lastAddress else {
      throw .invalid(
        "/dhcpEnd", "\(lastAddress) leaves no address: the first is \(firstAddress)")
    }
    domain = (try options.string("domain") ?? "internal").lowercased()
    guard GatewayOptions.isDomain(domain) else {
      throw .invalid("/domain", "\(domain) is not a domain name, as internal")
    }
    hostDNS = try options.bool("hostDNS") ?? false
    ipv6 = try IPv6Options(options)
    common = try GatewayOptions(options, leaseSeconds: 86400)
    // RFC 8200 §5: no link with less carries IPv6.
    if common.mtu < 1280 { ipv6 = .off }
    common.hostLoopback = false
    reservations = [:]
    reservations = try GatewayOptions.reservations(options, subnet, router: gateway)
  }

  /// As the stack's settings.
  /// - Parameter mac: the TAP's: host and stack are one station to the guests.
  package func stackConfig(mac: MACAddress) -> StackConfig {
    var config = StackConfig(subnet: subnet, gateway: gateway, dns: gateway)
    common.apply(to: &config)
    config.gatewayMAC = mac
    config.hostLoopback = false
    config.leadsOutside = mode == .shared
    // Above Linux's ephemeral ports (net.ipv4.ip_local_port_range).
    config.sourcePorts = 61000...65535
    return config
  }

  /// - Parameter gateway6: the host's own address on the network; nil: it has none, and guests have no IPv6.
  package func settings(gateway6: IPAddress?) -> SwitchedSettings {
    var dhcp = DHCPServer.Configuration(serverAddress: gateway, subnet: subnet)
    dhcp.router = gateway
    dhcp.nameServers = [gateway]
    dhcp.mtu = UInt16(clamping: common.mtu)
    dhcp.domainName = domain
    dhcp.leaseSeconds = common.leaseSeconds
    dhcp.identifiesByMAC = true
    let pool = DHCPPool(
      first: firstAddress, last: lastAddress, excluded: [gateway], reservations: reservations)
    var settings = SwitchedSettings(
      subnet: subnet, router: gateway, lastAddress: lastAddress, domain: domain,
      search: common.search,
      mtu: common.mtu, dhcp: dhcp, pool: pool, leaseFile: "socketvmnet-leases.json",
      keepsLimaLeases: false)
    settings.ipv6 = ipv6.isOn ? gateway6.map { IPv6Options(gateway: $0) } ?? .off : .off
    settings.prefixFile = "socketvmnet-prefix6"
    return settings
  }
}
