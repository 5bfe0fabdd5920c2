// SPDX-License-Identifier: Apache-2.0
//
// Options common to all plugins with a stack: DHCP and DNS options for guests, and the limits of the engines. Addresses are
// options of each plugin.

import LimaNetdSDK
import NetStack
import Wire

/// The common options, with defaults filled in.
package struct GatewayOptions: Equatable {
  package var mtu: Int
  package var hostLoopback: Bool
  package var forwardsShowClients: Bool
  /// Nil: the host's search domains.
  package var search: [String]?
  package var leaseSeconds: UInt32
  package var maximumConnections: Int
  package var bufferBytes: Int
  package var keepAliveSeconds: UInt64
  package var congestion: CongestionAlgorithm
  package var maximumUDPFlows: Int
  package var udpIdleSeconds: UInt64
  package var maximumPings: Int
  package var pingIdleSeconds: UInt64
  package var egress: EgressPolicy
  package var limits: GuestLimits

  package init(_ options: Options, leaseSeconds: UInt32) throws(PluginFailure) {
    mtu = Int(try options.integer("mtu", in: 576...65520) ?? 1500)
    hostLoopback = try options.bool("hostLoopback") ?? true
    switch try options.string("forwardSource") ?? "client" {
    case "client": forwardsShowClients = true
    case "gateway": forwardsShowClients = false
    case let other: throw .invalid("/forwardSource", "\(other) is neither client nor gateway")
    }
    search = try Self.domains(options)
    self.leaseSeconds = UInt32(
      clamping: try options.integer("leaseSeconds", in: 120...Int64(UInt32.max))
        ?? Int64(leaseSeconds))
    let tcp = try options.object("tcp")
    let udp = try options.object("udp")
    let icmp = try options.object("icmp")
    maximumConnections = Int(try tcp.integer("maxConnections", in: 1...1_000_000) ?? 131_072)
    bufferBytes = Int(try tcp.integer("bufferMiB", in: 8...65536) ?? 256) << 20
    keepAliveSeconds = UInt64(try tcp.integer("keepAliveSeconds", in: 10...86400) ?? 7200)
    let congestion = try tcp.string("congestion") ?? CongestionAlgorithm.newReno.rawValue
    guard let algorithm = CongestionAlgorithm(rawValue: congestion) else {
      throw .invalid("/tcp/congestion", "\(congestion) is neither reno nor cubic")
    }
    self.congestion = algorithm
    maximumUDPFlows = Int(try udp.integer("maxFlows", in: 1...100_000) ?? 4096)
    udpIdleSeconds = UInt64(try udp.integer("idleSeconds", in: 10...86400) ?? 300)
    maximumPings = Int(try icmp.integer("maxFlows", in: 1...65536) ?? 256)
    pingIdleSeconds = UInt64(try icmp.integer("idleSeconds", in: 10...3600) ?? 60)
    egress = try EgressOptions.read(options)
    limits = try Self.limits(options)
  }

  /// The members of `limits` that the stack enforces; link rates are limited by the host.
  package static func limits(_ options: Options) throws(PluginFailure) -> GuestLimits {
    let limits = try options.object("limits")
    return GuestLimits(
      newFlowsPerSecond: UInt64(try limits.integer("newFlowsPerSecond", in: 1...1_000_000) ?? 0),
      connections: Int(try limits.integer("connections", in: 1...1_000_000) ?? 0))
  }

  /// Copies the options into the stack's configuration.
  package func apply(to config: inout StackConfig) {
    let second: UInt64 = 1_000_000_000
    config.mtu = mtu
    config.hostLoopback = hostLoopback
    config.forwardsShowClients = forwardsShowClients
    config.maximumFlows = maximumConnections
    config.bufferLimit = bufferBytes
    config.keepAliveTime = keepAliveSeconds * second
    config.congestion = congestion
    config.udp.maximumFlows = maximumUDPFlows
    config.udp.idleTime = udpIdleSeconds * second
    config.icmp.maximumFlows = maximumPings
    config.icmp.idleTime = pingIdleSeconds * second
    config.egress = egress
    config.limits = limits
  }

  // MARK: Reading

  /// An IPv4 address; nil if the option is absent.
  package static func address(_ options: Options, _ name: String) throws(PluginFailure)
    -> IPAddress?
  {
    guard let text = try options.string(name) else { return nil }
    guard let address = IPAddress(text), address.isV4 else {
      throw .invalid("/\(name)", "\(text) is not an IPv4 address")
    }
    return address
  }

  /// The subnet of `gateway` with the option `netmask`.
  package static func subnet(_ options: Options, gateway: IPAddress) throws(PluginFailure) -> CIDR {
    let netmask = try address(options, "netmask") ?? IPAddress(255, 255, 255, 0)
    let prefixLength = (~netmask.v4).leadingZeroBitCount
    guard netmask.v4 == ~UInt32(0) << UInt32(32 - prefixLength), (8...29).contains(prefixLength),
      let subnet = CIDR(gateway, prefixLength: prefixLength)
    else {
      throw .invalid(
        "/netmask", "\(netmask) is not a netmask between 255.0.0.0 and 255.255.255.248")
    }
    return subnet
  }

  /// Throws for an address that no host in `subnet` can have.
  package static func check(
    _ address: IPAddress, isIn subnet: CIDR, pointer: String
  ) throws(PluginFailure) {
    guard subnet.contains(address), address.isUnicast, address != subnet.network,
      address != subnet.broadcast, !address.isLoopback
    else {
      throw .invalid(
        pointer,
        "\(address) is not an address of a guest's network \(subnet.network)/\(subnet.prefixLength)"
      )
    }
  }

  private static func domains(_ options: Options) throws(PluginFailure) -> [String]? {
    guard let names = try options.strings("search") else { return nil }
    for (index, name) in names.enumerated() where !isDomain(name) {
      throw .invalid("/search/\(index)", "\(name) is not a domain name, as example.org")
    }
    return names
  }

  /// Whether the name is valid for every DHCP client (RFC 1035 §2.3.1, and `_`).
  package static func isDomain(_ name: String) -> Bool {
    let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return name.utf8.count <= 253
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
  }
}
