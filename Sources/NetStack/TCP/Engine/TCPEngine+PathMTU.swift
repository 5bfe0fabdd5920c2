// SPDX-License-Identifier: Apache-2.0
//
// Fragmentation needed, or Packet Too Big, from a router behind a guest (RFC 1191, RFC 8201; RFC 5927 §7 for what
// is believed): the connection it is about goes on with smaller segments.

import Wire

extension TCPEngine {
  /// The least MTU that is believed: below it there would be more headers than data (RFC 1191 §3
  /// lets a host refuse less than 68; Linux's least is 552).
  private static let leastMTU = 552

  /// - Parameters:
  ///   - packet: from the guest.
  ///   - payload: of the ICMP message in it. Of the packet at fault no more than its header and eight bytes need
  ///     be there.
  ///   - mtu: what the message says.
  func reducePathMTU(_ packet: InboundPacket, _ payload: ByteView, mtu: UInt32) {
    guard let quoted = QuotedTCP(payload), quoted.source.address.isV4 == packet.source.isV4 else {
      return
    }
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
    let isV4 = quoted.source.address.isV4
    // RFC 8201 §4: a message with less than every link of IPv6 carries says nothing.
    if !isV4, mtu < UInt32(IPv6Header.leastMTU) { return }
    let known = min(max(Int(mtu), Self.leastMTU), 65535)
    let size = UInt16(truncatingIfNeeded: known &- Self.headers(isV4: isV4))
    guard size < flow.pointee.sender.segmentSize else { return }
    giveScoreboard(flow)
    flow.pointee.sender.reduceSegments(to: size, path(of: flow))
    touch(flow, .outputDue)
  }
}
