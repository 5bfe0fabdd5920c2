// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors about a guest's packet (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.2; RFC 4443 §2.4).
//
// Limited in rate for each guest (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f), of both families together: one that
// provokes them costs little, and the others get theirs all the same.

import Wire

extension StackCore {
  /// Bytes of the packet at fault that are quoted: an error fits every link (RFC 1812 §4.3.2.3: 576 bytes,
  /// RFC 4443 §2.4 c: 1280).
  static let mostQuotedV4 = 548
  static let mostQuotedV6 =
    IPv6Header.leastMTU - IPv6Header.encodedLength - ICMPHeader.encodedLength

  /// Tells the sender of `packet` what became of it, in the name of the address it went to
  /// (unreachable port or protocol of ours) or of the gateway.
  package func sendICMPError(about packet: InboundPacket, _ failure: DeliveryFailure) {
    sendICMPError(
      quoting: packet.packet, to: packet.source, mac: packet.sourceMAC, on: packet.link,
      from: config.isOwn(packet.destination)
        ? packet.destination : config.gateway(for: packet.source),
      failure.message(isV4: packet.source.isV4))
  }

  /// Whether a packet would leave the link with a source address that means something only there
  /// (RFC 4007 §9, RFC 4443 §3.1). IPv4's link-local addresses are no guest's.
  @inline(__always)
  func isBeyondScope(_ packet: InboundPacket) -> Bool {
    !packet.source.isV4 && packet.source.isLinkLocal
  }

  /// The same from a packet's first bytes that were kept.
  /// - Parameter quoted: an IP packet of the guest's family from its header on, as the guest sent it.
  package func sendICMPError(
    quoting quoted: ByteView, to guest: IPAddress, mac: MACAddress, on link: UInt32,
    from source: IPAddress, _ error: ICMPErrorMessage
  ) {
    guard guest.isV4 ? maySendError(aboutV4: quoted) : maySendError(aboutV6: quoted, error) else {
      return
    }
    let share = shares.pointer(shares.of(link, mac))
    guard share.pointee.icmpErrors.take(now: now) else {
      share.pointee.counters.errorsWithheld &+= 1
      return
    }
    let payload = quoted.prefix(guest.isV4 ? Self.mostQuotedV4 : Self.mostQuotedV6)
    let header = ICMPHeader(type: error.type, code: error.code, rest: error.rest)
    if guest.isV4 {
      sendICMPv4Error(header, payload, from: source, to: guest, mac: mac, on: link)
    } else {
      sendICMPv6(header, payload, from: source, to: guest, hopLimit: 64, mac: mac, on: link)
    }
  }

  /// RFC 1122 §3.2.2
  private func maySendError(aboutV4 quoted: ByteView) -> Bool {
    guard let ip = IPv4Packet(checking: quoted), ip.fragmentOffset == 0,
      ip.source.isUnicast, !ip.destination.isMulticast, !ip.destination.isLimitedBroadcast,
      ip.destination != config.subnet.broadcast
    else { return false }
    // Never an error about an error.
    guard ip.protocolNumber == IPProtocol.icmp else { return true }
    return ip.payload.count > 0 && !ICMPv4Type.isError(ip.payload[0])
  }

  /// RFC 4443 §2.4 e
  private func maySendError(aboutV6 quoted: ByteView, _ error: ICMPErrorMessage) -> Bool {
    guard let ip = IPv6Packet(checking: quoted), ip.source.isUnicast else { return false }
    if ip.destination.isMulticast {
      // One of two exceptions; Packet Too Big is never said about these.
      guard error.type == ICMPv6Type.parameterProblem, error.code == ICMPv6ParameterProblem.option
      else { return false }
    }
    guard let layer = ip.upperLayer, layer.protocolNumber == IPProtocol.icmpV6 else { return true }
    if let fragment = layer.fragment, fragment.offset > 0 { return true }
    guard layer.offset < ip.bytes.count else { return false }
    let type = ip.bytes[layer.offset]
    return !ICMPv6Type.isError(type) && type != ICMPv6Type.redirect
  }

  private func sendICMPv4Error(
    _ icmp: ICMPHeader, _ payload: ByteView, from source: IPAddress, to guest: IPAddress,
    mac: MACAddress, on link: UInt32
  ) {
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
    icmp.emit(into: message, payload: payload)
    transmitter.commit(headerLength: length, urgency: .control)
  }
}
