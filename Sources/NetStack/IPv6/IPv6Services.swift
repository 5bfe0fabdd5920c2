// SPDX-License-Identifier: Apache-2.0
//
// What a stack leaves to services of its own: neighbour and router discovery, MLD, DHCPv6. Both are off the
// path of packets: a message for each that a guest sends. Loop thread only.

import Wire

/// Answers neighbour discovery (RFC 4861) and multicast listener discovery (RFC 3810).
package protocol NDPService: AnyObject {
  /// A message of type 130 to 137 or 143; borrowed for the call.
  ///
  /// Proven of it: at least eight bytes, its checksum, code 0; of neighbour discovery a hop limit of 255 and that it
  /// did not come in fragments (RFC 6980). `packet` has its addresses: the source is unspecified, link-local or of the
  /// prefix, and not the stack's own; the destination is the stack's own or a group that it is a member of. Not proven:
  /// options, and whose the source address is: nothing was learnt from it.
  func receive(_ message: ICMPv6Packet, _ packet: InboundPacket)

  /// A link came up, or is about to go.
  func linkUp(_ link: UInt32)
  func linkDown(_ link: UInt32)
  /// Stations behind a link that stays up are gone.
  func stationsDown(_ stations: Set<MACAddress>, on link: UInt32)
  /// A timer that was set with `EventKind.ndp`.
  func onTimer(_ token: EventToken)
}

extension NDPService {
  package func linkUp(_ link: UInt32) {}
  package func linkDown(_ link: UInt32) {}
  package func stationsDown(_ stations: Set<MACAddress>, on link: UInt32) {}
  package func onTimer(_ token: EventToken) {}
}

/// Answers DHCPv6 (RFC 8415).
package protocol DHCPv6Service: AnyObject {
  /// A datagram to port 547 of the group of servers or of one of the stack's own addresses; borrowed for the
  /// call. As many as flows a guest may begin come in an iteration (NewFlows).
  /// - Parameters:
  ///   - payload: behind the UDP header; may be empty.
  ///   - port: the client's.
  func receive(_ payload: ByteView, from port: UInt16, _ packet: InboundPacket)

  func linkDown(_ link: UInt32)
  func stationsDown(_ stations: Set<MACAddress>, on link: UInt32)
  /// A timer that was set with `EventKind.dhcpV6`.
  func onTimer(_ token: EventToken)
}

extension DHCPv6Service {
  package func linkDown(_ link: UInt32) {}
  package func stationsDown(_ stations: Set<MACAddress>, on link: UInt32) {}
  package func onTimer(_ token: EventToken) {}
}
