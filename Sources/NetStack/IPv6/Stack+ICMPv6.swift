// SPDX-License-Identifier: Apache-2.0
//
// ICMPv6 from guests except Neighbor Discovery and MLD: echo and errors (RFC 4443).

import Wire

extension Stack {
  /// Handles a message with a valid checksum.
  func receiveICMPv6(_ packet: InboundPacket, _ message: ICMPv6Packet) {
    switch message.type {
    case ICMPv6Type.destinationUnreachable, ICMPv6Type.packetTooBig, ICMPv6Type.timeExceeded,
      ICMPv6Type.parameterProblem:
      tcp.guestReports(packet, message)
    default:
      icmp.input(packet, message)
    }
  }
}
