// SPDX-License-Identifier: Apache-2.0
//
// Fragmentation needed, from a router behind a guest (RFC 1191; RFC 5927 §7 for what is believed):
// the connection it is about goes on with smaller segments.

import Wire

extension TCPEngine {
  /// The least MTU that is believed: below it there would be more headers than data (RFC 1191 §3
  /// lets a host refuse less than 68; Linux's least is 552).
  private static let leastMTU = 552

  /// - Parameters:
  ///   - packet: from the guest.
  ///   - message: the ICMP message in it.
  func reducePathMTU(_ packet: InboundPacket, _ message: ICMPv4Packet) {
    // Of the packet at fault no more than its header and eight bytes need be there.
    guard let quoted = QuotedTCP(message.payload) else { return }
    let index = table.find(quoted.key(on: packet.link))
    guard index != 0 else { return }
    let flow = flows.pointer(index)
    guard flow.pointee.state.isSending else { return }
    // It must be about what is on its way: somebody who guesses has to guess that, too.
    guard
      Sequence32.distance(from: flow.pointee.sender.unacknowledged, to: quoted.sequence)
        < Sequence32.distance(
          from: flow.pointee.sender.unacknowledged, to: flow.pointee.sender.maximum)
    else { return }
    let mtu = max(Int(message.rest & 0xffff), Self.leastMTU)
    let size = UInt16(truncatingIfNeeded: mtu &- 40)
    guard size < flow.pointee.sender.segmentSize else { return }
    giveScoreboard(flow)
    flow.pointee.sender.reduceSegments(to: size, path(of: flow))
    touch(flow, .outputDue)
  }
}
