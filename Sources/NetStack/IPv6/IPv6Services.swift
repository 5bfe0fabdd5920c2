// SPDX-License-Identifier: Apache-2.0
//
// Protocols that a stack passes to separate services: neighbor and router discovery, MLD, and DHCPv6. They are outside of
// the packet path. Thread: loop only.

import Wire

/// Handles Neighbor Discovery (RFC 4861) and Multicast Listener Discovery (RFC 3810).
package protocol NDPService: AnyObject {
  /// Handles a message of type 130 to 137 or 143; borrowed for the call.
  ///
  /// The stack has checked: a length of at least eight bytes, the checksum, code 0; for Neighbor Discovery a hop limit of
  /// 255 and that the packet was not fragmented (RFC 6980). The source in `packet` is unspecified, link-local or in the
  /// prefix, and not the stack's own; the destination is the stack's own or a group that it has joined. Not checked: the
  /// options, and whether the source address is the station's.
  func receive(_ message: ICMPv6Packet, _ packet: InboundPacket)
  /// A station used a source address that it was not known by. False if the address is another station's.
  func heard(_ address: IPAddress, from mac: MACAddress, on link: UInt32) -> Bool

  /// A link came up, or is about to be removed.
  func linkUp(_ link: UInt32)
  func linkDown(_ link: UInt32)
  /// Stations behind a link were removed; the link stays.
  func stationsDown(_ stations: Set<MACAddress>, on link: UInt32)
  /// A timer with `EventKind.ndp` fired.
  func onTimer(_ token: EventToken)
  /// A descriptor watched with `EventKind.ndp` is readable.
  func onEvent(_ token: EventToken)
}

extension NDPService {
  package func heard(_ address: IPAddress, from mac: MACAddress, on link: UInt32) -> Bool { true }
  package func onEvent(_ token: EventToken) {}
  package func linkUp(_ link: UInt32) {}
  package func linkDown(_ link: UInt32) {}
  package func stationsDown(_ stations: Set<MACAddress>, on link: UInt32) {}
  package func onTimer(_ token: EventToken) {}
}

/// A DHCPv6 server (RFC 8415).
package protocol DHCPv6Service: AnyObject {
  /// Handles a datagram to port 547 of the servers' group or of one of the stack's addresses; borrowed for the call. The
  /// rate is limited like that of a guest's new flows (NewFlows).
  /// - Parameters:
  ///   - payload: after the UDP header; may be empty.
  ///   - port: the client's port number.
  func receive(_ payload: ByteView, from port: UInt16, _ packet: InboundPacket)

  func linkDown(_ link: UInt32)
  func stationsDown(_ stations: Set<MACAddress>, on link: UInt32)
  /// A timer with `EventKind.dhcpV6` fired.
  func onTimer(_ token: EventToken)
}

extension DHCPv6Service {
  package func linkDown(_ link: UInt32) {}
  package func stationsDown(_ stations: Set<MACAddress>, on link: UInt32) {}
  package func onTimer(_ token: EventToken) {}
}
