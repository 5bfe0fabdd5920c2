// SPDX-License-Identifier: Apache-2.0
//
// The options of a slirp network, read and held against each other. What schema.json
// cannot say is said here: addresses that must lie in one network and differ.

import LimaNetdSDK
import NetStack

/// Options with every default filled in.
package struct SlirpOptions: Equatable {
  package var subnet: CIDR
  package var gateway: IPAddress
  package var address: IPAddress
  package var dns: IPAddress
  package var mtu: Int
  package var hostLoopback: Bool
  package var search: [String]
  package var leaseSeconds: UInt32
  package var maximumConnections: Int
  package var bufferBytes: Int
  package var keepAliveSeconds: UInt64
  package var maximumUDPFlows: Int
  package var udpIdleSeconds: UInt64
  package var maximumPings: Int
  package var pingIdleSeconds: UInt64

  package init(_ options: Options) throws(PluginFailure) {
    let gateway = try Self.address(options, "gateway") ?? IPAddress(192, 168, 5, 2)
    let netmask = try Self.address(options, "netmask") ?? IPAddress(255, 255, 255, 0)
    let prefixLength = (~netmask.v4).leadingZeroBitCount
    guard netmask.v4 == ~UInt32(0) << UInt32(32 - prefixLength), (8...29).contains(prefixLength),
      let subnet = CIDR(gateway, prefixLength: prefixLength)
    else {
      throw .invalid(
        "/netmask", "\(netmask) is not a netmask between 255.0.0.0 and 255.255.255.248")
    }
    self.subnet = subnet
    self.gateway = gateway
    address =
      try Self.address(options, "address")
      ?? Self.nth(prefixLength <= 27 ? 15 : 4, of: subnet)
    dns = try Self.address(options, "dns") ?? Self.nth(3, of: subnet)
    for (name, value) in [("gateway", gateway), ("address", address), ("dns", dns)] {
      guard subnet.contains(value), value.isUnicast, value != subnet.network,
        value != subnet.broadcast, !value.isLoopback
      else {
        throw .invalid(
          "/\(name)", "\(value) is not an address of a guest's network \(Self.network(subnet))")
      }
    }
    guard address != gateway, address != dns else {
      throw .invalid(
        "/address", "\(address) is the \(address == gateway ? "gateway" : "dns") address already")
    }
    mtu = Int(try options.integer("mtu", in: 576...65520) ?? 1500)
    hostLoopback = try options.bool("hostLoopback") ?? true
    search = try Self.domains(options)
    leaseSeconds = UInt32(
      clamping: try options.integer("leaseSeconds", in: 120...Int64(UInt32.max)) ?? 86400)
    let tcp = try options.object("tcp")
    let udp = try options.object("udp")
    let icmp = try options.object("icmp")
    maximumConnections = Int(try tcp.integer("maxConnections", in: 1...1_000_000) ?? 131_072)
    bufferBytes = Int(try tcp.integer("bufferMiB", in: 8...65536) ?? 256) << 20
    keepAliveSeconds = UInt64(try tcp.integer("keepAliveSeconds", in: 10...86400) ?? 7200)
    maximumUDPFlows = Int(try udp.integer("maxFlows", in: 1...100_000) ?? 4096)
    udpIdleSeconds = UInt64(try udp.integer("idleSeconds", in: 10...86400) ?? 300)
    maximumPings = Int(try icmp.integer("maxFlows", in: 1...65536) ?? 256)
    pingIdleSeconds = UInt64(try icmp.integer("idleSeconds", in: 10...3600) ?? 60)
  }

  private static func address(_ options: Options, _ name: String) throws(PluginFailure)
    -> IPAddress?
  {
    guard let text = try options.string(name) else { return nil }
    guard let address = IPAddress(text), address.isV4 else {
      throw .invalid("/\(name)", "\(text) is not an IPv4 address")
    }
    return address
  }

  /// Names that every DHCP client can take (RFC 1035 §2.3.1, with `_`).
  private static func domains(_ options: Options) throws(PluginFailure) -> [String] {
    let names = try options.strings("search") ?? []
    for (index, name) in names.enumerated() {
      let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      let isName =
        name.utf8.count <= 253
        && labels.allSatisfy { label in
          (1...63).contains(label.count)
            && label.allSatisfy { byte in
              switch byte {
              case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
              default: false
              }
            }
        }
      guard isName else {
        throw .invalid("/search/\(index)", "\(name) is not a domain name, as example.org")
      }
    }
    return names
  }

  private static func nth(_ number: UInt32, of subnet: CIDR) -> IPAddress {
    IPAddress(v4: subnet.network.v4 &+ number)
  }

  private static func network(_ subnet: CIDR) -> String {
    "\(subnet.network)/\(subnet.prefixLength)"
  }

  /// The same for the stack.
  package var stackConfig: StackConfig {
    let second: UInt64 = 1_000_000_000
    var config = StackConfig(subnet: subnet, gateway: gateway, dns: dns)
    config.mtu = mtu
    config.hostLoopback = hostLoopback
    config.maximumFlows = maximumConnections
    config.bufferLimit = bufferBytes
    config.keepAliveTime = keepAliveSeconds * second
    config.udp.maximumFlows = maximumUDPFlows
    config.udp.idleTime = udpIdleSeconds * second
    config.icmp.maximumFlows = maximumPings
    config.icmp.idleTime = pingIdleSeconds * second
    return config
  }

  /// The same for the DHCP server of a link.
  package var dhcp: DHCPServer.Configuration {
    var configuration = DHCPServer.Configuration(serverAddress: gateway, subnet: subnet)
    configuration.router = gateway
    configuration.nameServers = [dns]
    configuration.mtu = UInt16(clamping: mtu)
    configuration.searchDomains = search
    configuration.leaseSeconds = leaseSeconds
    return configuration
  }
}
