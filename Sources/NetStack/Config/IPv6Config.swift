// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 settings of a stack: the guests' prefix, and the stack's addresses in it.

import Wire

/// IPv6 settings of one stack.
public struct IPv6Config: Equatable, Sendable {
  /// The guests' prefix, of 64 bits (RFC 4291 §2.5.1): a ULA (RFC 4193) or a global one.
  public var prefix: CIDR
  /// The gateway's address in the prefix, which stands for the host's loopback, as
  /// `StackConfig.gateway` does.
  public var gateway: IPAddress
  /// The address in the prefix whose port 53 is the network's DNS. May equal the gateway's: then port 53 of the
  /// gateway does not lead to the host's loopback.
  public var dns: IPAddress
  /// The gateway's link-local address, the source of router advertisements. It does not lead to the host.
  public var linkLocal: IPAddress
  /// Nil: IPv4 is reached over IPv4 alone.
  public var nat64: NAT64?
  /// Whether a default route is advertised to guests when the network starts. The data path asks the host's kernel for
  /// each flow, whatever is said here.
  public var hasDefaultRoute = true

  /// - Parameter gatewayMAC: `StackConfig.gatewayMAC`, from which the link-local address is derived.
  public init(prefix: CIDR, gateway: IPAddress, dns: IPAddress, gatewayMAC: MACAddress) {
    self.prefix = prefix
    self.gateway = gateway
    self.dns = dns
    linkLocal = .linkLocal(of: gatewayMAC)
  }

  /// Whether this is an address of the stack.
  @inline(__always)
  public func isOwn(_ address: IPAddress) -> Bool {
    address == gateway || address == dns || address == linkLocal
  }

  /// Whether an address other than the stack's can be a guest's: in the prefix or link-local, but not the
  /// subnet-router anycast address (RFC 4291 §2.6.1).
  public func isGuest(_ address: IPAddress) -> Bool {
    address.isLinkLocal || prefix.contains(address) && address != prefix.network
  }

  /// Whether the stack is a member of a group (RFC 4291 §2.8): all nodes, all routers, the groups of its services
  /// (RFC 8415 §7.1, RFC 3810 §5.2.14), and solicited-node groups: those of its own addresses, and of guests'
  /// addresses, because duplicate address detection (RFC 4862 §5.4) announces an address before its use.
  public func isMember(of group: IPAddress) -> Bool {
    group == .allNodes || group == .allRouters || group.isSolicitedNode
      || group == .allDHCPAgents || group == .allMLDv2Routers
  }
}
