// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors about a guest's packet (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.2; RFC 4443 §2.4).
//
// Rate-limited per guest (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f), both families together, so that a guest that provokes
// errors costs little and does not use up those of others.

import Wire

extension StackCore {
  /// Maximum quoted bytes of the packet in error, so that an error fits every link (RFC 1812 §4.3.2.3: 576 bytes, RFC
  /// 4443 §2.4 c: 1280).
  static let mostQuotedV4 = 548
  static let mostQuotedV6 =
    IPv6Header.leastMTU - IPv6Header.encodedLength - ICMPHeader.encodedLength

  /// Sends an ICMP error to the source of `packet`. Its source address is the packet's destination (an unreachable
  /// port or protocol of the stack) or the gateway.
  package func sendICMPError(about packet: InboundPacket, _ failure: DeliveryFailure) {
    sendICMPError(
      quoting: packet.packet, to: packet.source, mac: packet.sourceMAC, on: packet.link,
      from: config.isOwn(packet.destination)
        ? packet.destination : config.gateway(for: packet.source),
      failure.message(isV4: packet.source.isV4))
  }

  /// Whether a packet with a source address of link scope would leave the link (RFC 4007 §9, RFC 4443 §3.1). In IPv4
  /// guests have no link-local addresses.
  @inline(__always)
  func isBeyondScope(_ packet: InboundPacket) -> Bool {
    !packet.source.isV4 && packet.source.isLinkLocal
  }

  /// The same with the stored beginning of a packet.
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
    // No error about an error.
    guard ip.protocolNumber == IPProtocol.icmp else { return true }
    return ip.payload.count > 0 && !ICMPv4Type.isError(ip.payload[0])
  }

  /// RFC 4443 §2.4 e
  private func maySendError(aboutV6 quoted: ByteView, _ error: ICMPErrorMessage) -> Bool {
    guard let ip = IPv6Packet(checking: quoted), ip.source.isUnicast else { return false }
    if ip.destination.isMulticast {
      // One of two exceptions; the other, Packet Too Big, is never sent for these.
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
