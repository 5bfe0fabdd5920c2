// SPDX-License-Identifier: Apache-2.0
//
// IPv6 of a gateway: its prefix and addresses are determined when the plugin starts, since the prefix may be read from a
// file.

import LimaNetdSDK
import NetStack
import PluginAPI
import Wire

/// How a plugin uses IPv6.
package struct IPv6Plan {
  /// Name of the prefix file in the state directory.
  package var file: String
  /// Whether DNS has its own address, the third of the network.
  package var hasOwnDNS: Bool
  /// Whether guests are isolated and all get the same address by DHCPv6.
  package var isSingle: Bool
  package var leaseSeconds: UInt32

  package init(file: String, hasOwnDNS: Bool, isSingle: Bool, leaseSeconds: UInt32) {
    self.file = file
    self.hasOwnDNS = hasOwnDNS
    self.isSingle = isSingle
    self.leaseSeconds = leaseSeconds
  }
}

extension GatewayPlugin {
  /// Called before the first port is up. Nil if the options disable IPv6.
  package final func startIPv6(_ options: IPv6Options, _ plan: IPv6Plan) -> IPv6Control? {
    guard options.isOn else { return nil }
    var random = SystemRandomNumberGenerator()
    let prefix =
      options.prefix
      ?? PrefixFile(directory: stateDirectory, file: plan.file).prefix(&random) {
        host.log(.warn, $0)
      }
    if let other = InterfaceAddress.holder(of: prefix, except: ownInterface) {
      host.log(
        .warn,
        "the guests' IPv6 network \(prefix) overlaps what this host reaches by \(other): guests do not reach it. "
          + "Give the network another prefix6")
    }
    func address(_ number: UInt64, besides: IPAddress...) -> IPAddress {
      let address = prefix.network.with(interfaceIdentifier: number)
      return besides.contains(address)
        ? prefix.network.with(interfaceIdentifier: number + 0x10) : address
    }
    let gateway = options.gateway ?? address(2)
    let dns = plan.hasOwnDNS ? address(3, besides: gateway) : gateway
    let mac = stack.config.gatewayMAC
    var ipv6 = IPv6Config(prefix: prefix, gateway: gateway, dns: dns, gatewayMAC: mac)
    ipv6.nat64 = options.nat64
    var dhcp = DHCPv6Server.Configuration(prefix: prefix, serverMAC: mac)
    dhcp.nameServers = [dns]
    dhcp.leaseSeconds = plan.leaseSeconds
    dhcp.excluded = [gateway, dns]
    // The equivalent of 192.168.5.15 and its gateway 192.168.5.2.
    if plan.isSingle { dhcp.single = address(0x15, besides: gateway, dns) }
    var configuration = IPv6Control.Configuration(ipv6, mac: mac, dhcp: dhcp)
    configuration.leadsOutside = stack.config.leadsOutside
    let control = IPv6Control(stack: stack.core, configuration: configuration)
    stack.startIPv6(ipv6, control)
    control.follow(IPv6RouteWatch())
    stack.endOfIteration()
    self.ipv6 = control
    if let nat64 = options.nat64 { startDNS64(nat64) }
    return control
  }

  /// Enables DNS64 in the network's DNS.
  private func startDNS64(_ nat64: NAT64) {
    guard let resolver = stack.dns.resolver else { return }
    let policy = stack.core.policy
    let dns64 = DNS64(resolver, nat64) {
      let route = policy.route(
        proto: IPProtocol.tcp, to: Endpoint(nat64.address(of: $0), port: DNS64.anyPort))
      if case .connect = route { return true }
      return false
    }
    stack.dns.resolver = dns64
    self.dns64 = dns64
    // ipv4only.arpa, by which guests discover the prefix (RFC 7050 §8, RFC 8880 §7).
    guard let names = HostNames(host) else { return }
    for address in DNS64.wellKnownAddresses {
      try? names.publish(DNS64.wellKnownName, address.description)
      try? names.publish(DNS64.wellKnownName, nat64.address(of: address).description)
    }
  }

  /// IPv6 members of the answer to limanetd.lease/1 `reserve`; nil: none.
  package final func reserveIPv6(port: lnd_port, mac: MACAddress) -> JSONValue? {
    guard let ipv6, let address = ipv6.reserve(port: port, mac: mac) else { return nil }
    let configuration = ipv6.configuration
    return [
      "address": .string(address.description),
      "prefixLength": JSONValue(configuration.prefix.prefixLength),
      "gateway": .string(configuration.linkLocal.description),
      "hasRoute": .bool(ipv6.leadsOutside),
      "dns": [.string(configuration.dns.description)],
    ]
  }

  /// IPv6 elements of limanetd.lease/1 `list`: assigned addresses that are not link-local, primary
  /// addresses of stations first.
  /// - Parameter name: the name of the guest that a station belongs to.
  package final func ipv6Leases(
    _ entries: [GuestAddresses.Entry], name: (GuestAddresses.Entry) -> String,
    hostname: (MACAddress) -> String, primary: (MACAddress) -> IPAddress?
  ) -> [LeaseLine] {
    let now = stack.core.now
    var (first, others): ([LeaseLine], [LeaseLine]) = ([], [])
    for entry in entries where !entry.isTentative && !entry.address.isLinkLocal {
      let line = LeaseLine(
        address: entry.address, mac: entry.mac, name: name(entry), hostname: hostname(entry.mac),
        state: entry.origin.rawValue, expiry: entry.expiry, now: now)
      if primary(entry.mac) == entry.address { first.append(line) } else { others.append(line) }
    }
    return first + others
  }

  /// IPv6 members of the status.
  package final var ipv6Members: JSONObject {
    guard let ipv6 else { return ["ipv6": .null] }
    let (configuration, counters) = (ipv6.configuration, ipv6.counters)
    return [
      "ipv6": [
        "network": .string(configuration.prefix.description),
        "gateway": .string(configuration.gateway.description),
        "linkLocal": .string(configuration.linkLocal.description),
        "dns": .string(configuration.dns.description),
        "hostHasRoute": .bool(ipv6.hasRoute),
        "nat64": configuration.nat64.map { .string("\($0.prefix)/96") } ?? .null,
        "routerSolicitations": JSONValue(counters.solicitations),
        "routerAdvertisements": JSONValue(counters.advertisements),
        "neighborSolicitations": JSONValue(counters.neighborSolicitations),
        "neighborAdvertisements": JSONValue(counters.neighborAdvertisements),
        "invalid": JSONValue(counters.invalid),
        "spoofed": JSONValue(counters.spoofed),
        "dhcpReceived": JSONValue(counters.dhcpReceived),
        "dhcpSent": JSONValue(counters.dhcpSent),
      ]
    ]
  }
}
