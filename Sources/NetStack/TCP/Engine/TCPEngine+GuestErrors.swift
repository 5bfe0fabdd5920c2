// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors from a guest, or from a router behind it, about a SYN of ours: a firewall's reject, an
// address that is not there. While a connection is being opened each of them ends the attempt
// (RFC 1122 §4.2.3.9, RFC 5461 §4.1), as Linux does it, so that the client hears at once. Once the
// connection is open none does (RFC 5927 §5.2). Of ICMPv6 the same (RFC 4443 §2.4 d). Such errors about UDP end here: a socket cannot
// send ICMP to a client.

import Wire

extension TCPEngine {
  /// An ICMP error from a guest about something that was sent to it.
  /// - Parameters:
  ///   - packet: from the guest.
  ///   - message: the ICMP message in it, its checksum verified.
  func guestReports(_ packet: InboundPacket, _ message: ICMPv4Packet) {
    if message.type == ICMPv4Type.destinationUnreachable,
      message.code == ICMPv4Unreachable.fragmentationNeeded
    {
      reducePathMTU(packet, message.payload, mtu: message.rest & 0xffff)
    } else {
      connectionFailed(
        packet, message.payload,
        isRefusal: message.type == ICMPv4Type.destinationUnreachable
          && message.code != ICMPv4Unreachable.network && message.code != ICMPv4Unreachable.host)
    }
  }

  /// The same of ICMPv6.
  func guestReports(_ packet: InboundPacket, _ message: ICMPv6Packet) {
    switch message.type {
    case ICMPv6Type.packetTooBig:
      reducePathMTU(packet, message.payload, mtu: message.rest)
    case ICMPv6Type.destinationUnreachable:
      connectionFailed(
        packet, message.payload,
        isRefusal: message.code != ICMPv6Unreachable.noRoute
          && message.code != ICMPv6Unreachable.beyondScope
          && message.code != ICMPv6Unreachable.address)
    default:
      connectionFailed(packet, message.payload, isRefusal: false)
    }
  }

  /// - Parameters:
  ///   - packet: from the guest.
  ///   - payload: of the ICMP message in it: the start of what it is about.
  private func connectionFailed(
    _ packet: InboundPacket, _ payload: ByteView, isRefusal: Bool
  ) {
    guard let quoted = QuotedTCP(payload), quoted.source.address.isV4 == packet.source.isV4 else {
      return
    }
    let index = table.find(quoted.key(on: packet.link))
    guard index != 0 else { return }
    let flow = flows.pointer(index)
    // Whoever guesses has to guess the sequence number, too (RFC 5927 §4.1).
    guard flow.pointee.state == .synSent, quoted.sequence == flow.pointee.sender.unacknowledged,
      !flow.pointee.flags.contains(.resetDue)
    else { return }
    if isRefusal { counters.refused &+= 1 } else { counters.unreachable &+= 1 }
    forwards.flowFailed(flow.pointee.owner, isRefusal ? .refused : .unreachable)
    abandon(flow)
  }
}

/// The ends and the sequence number of a TCP segment of which only the start is there.
struct QuotedTCP {
  let source: Endpoint
  let destination: Endpoint
  let sequence: UInt32

  /// - Parameter bytes: from the IP header on; of IPv6 what we sent has no extension headers.
  init?(_ bytes: ByteView) {
    guard let (from, to, headerLength) = Self.addresses(bytes),
      bytes.count >= headerLength &+ TCPField.acknowledgement
    else { return nil }
    let segment = bytes.dropFirst(headerLength)
    source = Endpoint(from, port: segment.uint16(at: TCPField.sourcePort))
    destination = Endpoint(to, port: segment.uint16(at: TCPField.destinationPort))
    sequence = segment.uint32(at: TCPField.sequence)
  }

  private static func addresses(
    _ bytes: ByteView
  ) -> (source: IPAddress, destination: IPAddress, headerLength: Int)? {
    guard bytes.count >= IPv4Header.encodedLength else { return nil }
    if bytes[IPv6Field.version] >> 4 == 6 {
      guard bytes.count >= IPv6Header.encodedLength, bytes[IPv6Field.nextHeader] == IPProtocol.tcp
      else { return nil }
      let source = bytes.ipv6Address(at: IPv6Field.source)
      let destination = bytes.ipv6Address(at: IPv6Field.destination)
      guard !source.isV4, !destination.isV4 else { return nil }
      return (source, destination, IPv6Header.encodedLength)
    }
    let headerLength = Int(bytes[IPv4Field.versionAndLength] & 0xf) &* 4
    guard bytes[IPv4Field.versionAndLength] >> 4 == 4, headerLength >= IPv4Header.encodedLength,
      bytes[IPv4Field.protocolNumber] == IPProtocol.tcp,
      bytes.uint16(at: IPv4Field.fragment) & IPv4FragmentBits.offset == 0
    else { return nil }
    return (
      bytes.ipv4Address(at: IPv4Field.source), bytes.ipv4Address(at: IPv4Field.destination),
      headerLength
    )
  }

  /// The flow that the segment was sent for.
  func key(on link: UInt32) -> FlowKey {
    FlowKey(
      link: link, proto: IPProtocol.tcp, guest: destination.address, guestPort: destination.port,
      remote: source.address, remotePort: source.port)
  }
}
