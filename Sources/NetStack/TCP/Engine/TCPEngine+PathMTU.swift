// SPDX-License-Identifier: Apache-2.0
//
// ICMP Fragmentation Needed (RFC 1191) and ICMPv6 Packet Too Big (RFC 8201) from a router behind a guest: the connection
// continues with smaller segments. Checks against forged messages: RFC 5927 §7.

import Wire

extension TCPEngine {
  /// The least MTU that is accepted: with less the headers would outweigh the data (RFC 1191 §3 permits values down to 68;
  /// Linux's minimum is 552).
  private static let leastMTU = 552

  /// Reduces the segment size of the connection that an ICMP error is about.
  /// - Parameters:
  ///   - packet: the packet with the ICMP message.
  ///   - payload: the ICMP message's payload: the header of the packet that was too long and at least eight bytes after it.
  ///   - mtu: the next hop's MTU from the message.
  func reducePathMTU(_ packet: InboundPacket, _ payload: ByteView, mtu: UInt32) {
    guard let quoted = QuotedTCP(payload), quoted.source.address.isV4 == packet.source.isV4 else {
      return
    }
    let index = table.find(quoted.key(on: packet.link))
    guard index != 0 else { return }
    let flow = flows.pointer(index)
    guard flow.pointee.state.isSending else { return }
    // The quoted sequence number must be in flight: an attacker would have to guess it.
    guard
      Sequence32.distance(from: flow.pointee.sender.unacknowledged, to: quoted.sequence)
        < Sequence32.distance(
          from: flow.pointee.sender.unacknowledged, to: flow.pointee.sender.maximum)
    else { return }
    let isV4 = quoted.source.address.isV4
    // An MTU below the IPv6 minimum link MTU is ignored (RFC 8201 §4).
    if !isV4, mtu < UInt32(IPv6Header.leastMTU) { return }
    let known = min(max(Int(mtu), Self.leastMTU), 65535)
    let size = UInt16(truncatingIfNeeded: known &- Self.headers(isV4: isV4))
    guard size < flow.pointee.sender.segmentSize else { return }
    giveScoreboard(flow)
    flow.pointee.sender.reduceSegments(to: size, path(of: flow))
    touch(flow, .outputDue)
  }
}
