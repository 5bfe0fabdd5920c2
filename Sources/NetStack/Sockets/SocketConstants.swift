// SPDX-License-Identifier: Apache-2.0
//
// Socket options and message flags of Linux that the C library's Swift module does not import, or imports with a type
// that differs between libraries.

import LibC

/// Numbers of ip(7), udp(7) and recvmsg(2).
package enum SocketConstant {
  package static let levelIP: Int32 = 0
  package static let levelIPv6: Int32 = 41
  package static let levelUDP: Int32 = 17

  /// IP_TOS: as option the default, as control message for one datagram, or of one.
  package static let trafficClass: Int32 = 1
  /// IP_RECVTOS
  package static let receiveTrafficClass: Int32 = 13
  /// IP_MTU_DISCOVER
  package static let pathDiscovery: Int32 = 10
  /// IP_TTL: as option the default, as control message for one datagram.
  package static let timeToLive: Int32 = 2
  /// IP_PKTINFO: where a datagram came in, and which address one leaves from.
  package static let packetInfo: Int32 = 8
  /// IP_RECVERR: ICMP errors are queued for MSG_ERRQUEUE.
  package static let receiveErrors: Int32 = 11
  /// IP_RECVTTL
  package static let receiveTimeToLive: Int32 = 12
  /// IPV6_RECVPKTINFO, IPV6_PKTINFO
  package static let receivePacketInfoV6: Int32 = 49
  package static let packetInfoV6: Int32 = 50
  /// IPV6_UNICAST_HOPS, IPV6_HOPLIMIT
  package static let unicastHopsV6: Int32 = 16
  package static let hopLimitV6: Int32 = 52
  /// IPV6_MTU_DISCOVER, with the values of IP_MTU_DISCOVER
  package static let pathDiscoveryV6: Int32 = 23
  /// IPV6_RECVHOPLIMIT
  package static let receiveHopLimitV6: Int32 = 51
  /// IPV6_RECVTCLASS, IPV6_TCLASS
  package static let receiveTrafficClassV6: Int32 = 66
  package static let trafficClassV6: Int32 = 67
  /// IPV6_RECVERR
  package static let receiveErrorsV6: Int32 = 25
  /// UDP_SEGMENT: one message is many datagrams of this size (Linux 4.18).
  package static let udpSegment: Int32 = 103
  /// UDP_GRO: many datagrams may come as one message (Linux 5.0).
  package static let udpReceiveOffload: Int32 = 104

  /// MSG_ERRQUEUE
  package static let errorQueue: Int32 = 0x2000
  /// MSG_TRUNC
  package static let truncated: Int32 = 0x20
}
