// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors about a guest's packet (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.2).
//
// Limited in rate for each guest (RFC 1812 §4.3.2.8): one that provokes them costs little, and the
// others get theirs all the same.

import Wire

extension StackCore {
  /// Tells the sender of `packet` what became of it, in the name of the address it went to
  /// (unreachable port or protocol of ours) or of the gateway.
  /// - Parameter rest: the second four bytes (the MTU of "fragmentation needed").
  package func sendICMPError(
    about packet: InboundPacket, type: UInt8, code: UInt8, rest: UInt32 = 0
  ) {
    guard packet.source.isV4 else { return }
    sendICMPError(
      quoting: packet.packet, to: packet.source, mac: packet.sourceMAC, on: packet.link,
      from: config.isOwn(packet.destination) ? packet.destination : config.gateway, type: type,
      code: code, rest: rest)
  }

  /// The same from a packet's first bytes that were kept.
  /// - Parameter quoted: an IPv4 packet from its header on, as the guest sent it; at most 548
  ///   bytes of it are quoted.
  package func sendICMPError(
    quoting quoted: ByteView, to guest: IPAddress, mac: MACAddress, on link: UInt32,
    from source: IPAddress, type: UInt8, code: UInt8, rest: UInt32 = 0
  ) {
    guard let ip = IPv4Packet(checking: quoted), ip.fragmentOffset == 0,
      ip.source.isUnicast, !ip.destination.isMulticast, !ip.destination.isLimitedBroadcast,
      ip.destination != config.subnet.broadcast
    else { return }
    // Never an error about an error.
    if ip.protocolNumber == IPProtocol.icmp {
      guard ip.payload.count > 0, !ICMPv4Type.isError(ip.payload[0]) else { return }
    }
    let share = shares.pointer(shares.of(link, mac))
    guard share.pointee.icmpErrors.take(now: now) else {
      share.pointee.counters.errorsWithheld &+= 1
      return
    }
    let payload = ip.bytes.prefix(548)
    let icmpLength = ICMPHeader.encodedLength + payload.count
    let headers = EthernetHeader.encodedLength + IPv4Header.encodedLength
    let length = headers + icmpLength
    guard let room = transmitter.prepare(link: link, byteCount: length, waits: true) else { return }
    let out = MutableByteView(room, count: length)
    EthernetHeader(destination: mac, source: config.gatewayMAC, etherType: EtherType.ipv4)
      .emit(into: out)
    IPv4Header(
      source: source, destination: guest, protocolNumber: IPProtocol.icmp,
      payloadLength: icmpLength, identification: nextIdentification()
    ).emit(into: out.dropFirst(EthernetHeader.encodedLength))
    let message = out.dropFirst(headers)
    message.store(payload, at: ICMPHeader.encodedLength)
    ICMPHeader(type: type, code: code, rest: rest).emit(into: message, payload: payload)
    transmitter.commit(headerLength: length, urgency: .control)
  }
}
