// SPDX-License-Identifier: Apache-2.0
//
// The options of a slirp network, parsed and checked for consistency. Checks that schema.json cannot express are
// here: addresses that must lie in one network and differ.

import Gateway
import LimaNetdSDK
import NetStack
import Wire

/// Options with every default filled in.
package struct SlirpOptions: Equatable {
  package var subnet: CIDR
  package var gateway: IPAddress
  package var address: IPAddress
  package var dns: IPAddress
  package var ipv6: IPv6Options
  package var common: GatewayOptions

  package init(_ options: Options) throws(PluginFailure) {
    gateway = try GatewayOptions.address(options, "gateway") ?? IPAddress(192, 168, 5, 2)
    subnet = try GatewayOptions.subnet(options, gateway: gateway)
    address =
      try GatewayOptions.address(options, "address")
      ?? subnet.nth(subnet.prefixLength <= 27 ? 15 : 4)
    dns = try GatewayOptions.address(options, "dns") ?? subnet.nth(3)
    for (name, value) in [("gateway", gateway), ("address", address), ("dns", dns)] {
      try GatewayOptions.check(value, isIn: subnet, pointer: "/\(name)")
    }
    guard address != gateway, address != dns else {
      throw .invalid(
        "/address", "\(address) is the \(address == gateway ? "gateway" : "dns") address already")
    }
    ipv6 = try IPv6Options(options)
    common = try GatewayOptions(options, leaseSeconds: 86400)
  }

  /// As the stack's settings.
  package var stackConfig: StackConfig {
    var config = StackConfig(subnet: subnet, gateway: gateway, dns: dns)
    common.apply(to: &config)
    return config
  }

  /// As the settings of a link's DHCP server.
  package var dhcp: DHCPServer.Configuration {
    var configuration = DHCPServer.Configuration(serverAddress: gateway, subnet: subnet)
    configuration.router = gateway
    configuration.nameServers = [dns]
    configuration.mtu = UInt16(clamping: common.mtu)
    configuration.leaseSeconds = common.leaseSeconds
    return configuration
  }
}
