// SPDX-License-Identifier: Apache-2.0
//
// What a stack is told when it is made: addresses, permissions and bounds.

import Wire

/// The settings of one stack; plain values, checked by whoever reads the options.
public struct StackConfig: Sendable {
  /// The guests' network; its address is the gateway's.
  public var subnet: CIDR
  /// The address that stands for the host's loopback.
  public var gateway: IPAddress
  /// The address whose port 53 is answered by the network's DNS.
  public var dns: IPAddress
  /// The Ethernet address of gateway and DNS.
  public var gatewayMAC = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)
  /// Nil: guests' IPv6 frames are not looked at.
  public var ipv6: IPv6Config?
  /// Whether guests may reach the host's loopback through the gateway address.
  public var hostLoopback = true
  /// Whether guests see the clients of forwards under their own addresses, where an answer to them would come back.
  public var forwardsShowClients = true
  /// Whether guests reach what lies beyond their subnet. Otherwise they are told that they may not.
  public var leadsOutside = true
  /// What guests reach of that. Rules that come later: `Stack.setEgress`.
  public var egress = EgressPolicy()
  /// Ports of the gateway's address that connections towards guests come from. Where the host's own
  /// kernel has that address, too, they are none of its.
  public var sourcePorts: ClosedRange<UInt16> = 32768...65535
  /// Bytes of IP packet for links that don't say: what DHCP announces.
  public var mtu = 1500

  /// Descriptors that the process may have; nil: as many as it likes (DescriptorBudget).
  public var descriptorLimit: Int?
  /// Of each guest. Others that come later: `Stack.setLimits`.
  public var limits = GuestLimits()
  /// Flows that one guest may begin in an iteration of the loop (NewFlows).
  public var newFlowsPerIteration = 16
  /// TCP connections of one guest that one side has not accepted yet.
  public var maximumHalfOpen = 1024
  /// Connections of all guests to one remote endpoint: a kernel that has given out half of its local
  /// ports for one (28,232 on Linux) looks for the next among them all, and takes 50 times as long.
  public var maximumPerDestination = 12_500

  /// Flows of all protocols together, each way.
  public var maximumFlows = 131_072
  /// Bytes of all TCP buffers together; one guest gets half of them at most (ShareTable).
  public var bufferLimit = 256 << 20
  /// Bytes from the guest that may wait for one host socket: the largest window.
  public var receiveWindow = 1 << 20
  /// Bytes from one host socket that may wait for the guest.
  public var sendBuffer = 2 << 20
  /// How much may be under way to a guest once something was lost.
  public var congestion = CongestionAlgorithm.newReno
  /// Bytes read from a host socket at once, at most: the more, the fewer wake-ups of both ends.
  public var readMaximum = 1 << 20
  /// Bytes read in one iteration from all host sockets together, so that none waits long for the others;
  /// a chunk of each is read all the same.
  public var readPerIteration = 2 << 20
  /// Idle time of an established connection before it is probed (RFC 1122 §4.2.3.6).
  public var keepAliveTime: UInt64 = 7200 * 1_000_000_000
  public var keepAliveInterval: UInt64 = 75 * 1_000_000_000
  public var keepAliveProbes: UInt8 = 9
  /// How long a connection both sides have closed stays, to answer what comes late.
  public var timeWait: UInt64 = 1_000_000_000
  /// Connections in TIME-WAIT at most.
  public var maximumTimeWait = 8192

  public var udp = UDPConfig()
  public var icmp = ICMPConfig()

  public init(subnet: CIDR, gateway: IPAddress, dns: IPAddress) {
    self.subnet = subnet
    self.gateway = gateway
    self.dns = dns
  }

  /// Whether the stack itself answers for this address.
  @inline(__always)
  public func isOwn(_ address: IPAddress) -> Bool {
    address == gateway || address == dns || ipv6.map { $0.isOwn(address) } ?? false
  }

  /// The gateway as a guest with this address knows it.
  @inline(__always)
  public func gateway(for guest: IPAddress) -> IPAddress {
    if guest.isV4 { return gateway }
    guard let ipv6 else { return .anyV6 }
    return guest.isLinkLocal ? ipv6.linkLocal : ipv6.gateway
  }

  /// Whether an address can be a guest's: of the guests' network, and nobody else's.
  public func isGuest(_ address: IPAddress) -> Bool {
    guard address.isUnicast, !isOwn(address) else { return false }
    if address.isV4 { return subnet.contains(address) && address != subnet.broadcast }
    return ipv6?.isGuest(address) ?? false
  }
}
