// SPDX-License-Identifier: Apache-2.0
//
// What a stack is told of IPv6: the guests' prefix, and its own addresses in it.

import Wire

/// IPv6 of one stack.
public struct IPv6Config: Equatable, Sendable {
  /// The guests' prefix, of 64 bits (RFC 4291 §2.5.1): a ULA (RFC 4193) or a global one.
  public var prefix: CIDR
  /// The gateway's address in the prefix, which stands for the host's loopback, as
  /// `StackConfig.gateway` does.
  public var gateway: IPAddress
  /// The address in the prefix whose port 53 is answered by the network's DNS. May be the gateway's: then
  /// its port 53 does not lead to the host's loopback.
  public var dns: IPAddress
  /// The gateway's link-local address, which router advertisements come from. Guests reach nothing of the
  /// host by it.
  public var linkLocal: IPAddress
  /// Nil: IPv4 is reached over IPv4 alone.
  public var nat64: NAT64?
  /// Whether guests are told of a default route when the network starts. The data path asks the host's kernel for
  /// each flow, whatever is said here.
  public var hasDefaultRoute = true

  /// - Parameter gatewayMAC: `StackConfig.gatewayMAC`, from which the link-local address follows.
  public init(prefix: CIDR, gateway: IPAddress, dns: IPAddress, gatewayMAC: MACAddress) {
    self.prefix = prefix
    self.gateway = gateway
    self.dns = dns
    linkLocal = .linkLocal(of: gatewayMAC)
  }

  /// Whether the stack itself answers for this address.
  @inline(__always)
  public func isOwn(_ address: IPAddress) -> Bool {
    address == gateway || address == dns || address == linkLocal
  }

  /// Whether an address that is not the stack's own can be a guest's: of the prefix or link-local. The subnet-router
  /// anycast address is no guest's (RFC 4291 §2.6.1).
  public func isGuest(_ address: IPAddress) -> Bool {
    address.isLinkLocal || prefix.contains(address) && address != prefix.network
  }

  /// Whether the stack is a member of a group (RFC 4291 §2.8): all nodes, all routers, those of the services it has
  /// (RFC 8415 §7.1, RFC 3810 §5.2.14), and those of every address: its own, and the guests', whose probes
  /// (RFC 4862 §5.4) tell which they are about to use.
  public func isMember(of group: IPAddress) -> Bool {
    group == .allNodes || group == .allRouters || group.isSolicitedNode
      || group == .allDHCPAgents || group == .allMLDv2Routers
  }
}
