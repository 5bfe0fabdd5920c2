// SPDX-License-Identifier: Apache-2.0
//
// The settings of a stack: addresses, permissions and limits.

import Wire

/// The settings of one stack; plain values, checked by the code that reads the options.
public struct StackConfig: Sendable {
  /// The guests' network; its address is the gateway's.
  public var subnet: CIDR
  /// The address that is mapped to the host's loopback.
  public var gateway: IPAddress
  /// The address whose port 53 is the network's DNS.
  public var dns: IPAddress
  /// The Ethernet address of gateway and DNS.
  public var gatewayMAC = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)
  /// Nil: guests' IPv6 frames are ignored.
  public var ipv6: IPv6Config?
  /// Whether guests may reach the host's loopback through the gateway address.
  public var hostLoopback = true
  /// Whether guests see the clients of forwards under their own addresses, where the guest's answers would return
  /// here.
  public var forwardsShowClients = true
  /// Whether guests reach destinations outside their subnet. Otherwise they get administratively prohibited.
  public var leadsOutside = true
  /// The egress rules at the start. Later ones: `Stack.setEgress`.
  public var egress = EgressPolicy()
  /// Ports of the gateway's address from which connections to guests come. Where the host's kernel has that address,
  /// too, they must not be among the kernel's own.
  public var sourcePorts: ClosedRange<UInt16> = 32768...65535
  /// MTU in bytes of IP packet, for links without one of their own: announced by DHCP.
  public var mtu = 1500

  /// The process's limit of descriptors; nil: none (DescriptorBudget).
  public var descriptorLimit: Int?
  /// Of each guest. Others that come later: `Stack.setLimits`.
  public var limits = GuestLimits()
  /// Flows that one guest may begin in an iteration of the loop (NewFlows).
  public var newFlowsPerIteration = 16
  /// TCP connections of one guest that are half-open.
  public var maximumHalfOpen = 1024
  /// Connections of all guests to one remote endpoint: once a kernel has assigned half of its local ports for one
  /// (28,232 on Linux), it searches all of them for the next, which takes 50 times as long.
  public var maximumPerDestination = 12_500

  /// Flows of all protocols together, per direction.
  public var maximumFlows = 131_072
  /// Bytes of all TCP buffers together; one guest gets at most half of them (ShareTable).
  public var bufferLimit = 256 << 20
  /// Bytes from the guest that may wait for one host socket: the maximum receive window.
  public var receiveWindow = 1 << 20
  /// Bytes from one host socket that may wait for the guest: the send buffer.
  public var sendBuffer = 2 << 20
  /// The congestion control of connections to guests.
  public var congestion = CongestionAlgorithm.newReno
  /// Bytes read from a host socket at once, at most: the more, the fewer wake-ups of both ends.
  public var readMaximum = 1 << 20
  /// Bytes read from all host sockets in one iteration, so that none waits long; a chunk of each is read in any case.
  public var readPerIteration = 2 << 20
  /// Idle time after which an established connection is probed (RFC 1122 §4.2.3.6), nanoseconds.
  public var keepAliveTime: UInt64 = 7200 * 1_000_000_000
  public var keepAliveInterval: UInt64 = 75 * 1_000_000_000
  public var keepAliveProbes: UInt8 = 9
  /// Duration of TIME-WAIT, nanoseconds.
  public var timeWait: UInt64 = 1_000_000_000
  /// Maximum connections in TIME-WAIT.
  public var maximumTimeWait = 8192

  public var udp = UDPConfig()
  public var icmp = ICMPConfig()

  public init(subnet: CIDR, gateway: IPAddress, dns: IPAddress) {
    self.subnet = subnet
    self.gateway = gateway
    self.dns = dns
  }

  /// Whether this is an address of the stack.
  @inline(__always)
  public func isOwn(_ address: IPAddress) -> Bool {
    address == gateway || address == dns || ipv6.map { $0.isOwn(address) } ?? false
  }

  /// The gateway's address in the family of a guest's address.
  @inline(__always)
  public func gateway(for guest: IPAddress) -> IPAddress {
    if guest.isV4 { return gateway }
    guard let ipv6 else { return .anyV6 }
    return guest.isLinkLocal ? ipv6.linkLocal : ipv6.gateway
  }

  /// Whether an address can be a guest's: of the guests' network, and not one of the stack's.
  public func isGuest(_ address: IPAddress) -> Bool {
    guard address.isUnicast, !isOwn(address) else { return false }
    if address.isV4 { return subnet.contains(address) && address != subnet.broadcast }
    return ipv6?.isGuest(address) ?? false
  }
}
