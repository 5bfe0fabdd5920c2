// SPDX-License-Identifier: Apache-2.0
//
// ICMPv6 of a guest that is neither neighbour discovery nor MLD: echo and errors (RFC 4443).

import Wire

extension Stack {
  /// A message whose checksum is right.
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
