// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors about a SYN sent to a guest, from the guest or a router behind it, such as a firewall's reject. In SYN-SENT
// each ends the attempt (RFC 1122 §4.2.3.9, RFC 5461 §4.1), as in Linux, so that the host's client gets its error at once.
// In later states they are ignored (RFC 5927 §5.2). The same holds for ICMPv6 (RFC 4443 §2.4 d). Errors about UDP are
// ignored: a socket cannot send ICMP to a client.

import Wire

extension TCPEngine {
  /// Handles an ICMP error about a packet sent to a guest.
  /// - Parameters:
  ///   - packet: the packet with the error.
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

  /// The same for ICMPv6.
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
  ///   - packet: the packet with the error.
  ///   - payload: the start of the packet that the error is about.
  private func connectionFailed(
    _ packet: InboundPacket, _ payload: ByteView, isRefusal: Bool
  ) {
    guard let quoted = QuotedTCP(payload), quoted.source.address.isV4 == packet.source.isV4 else {
      return
    }
    let index = table.find(quoted.key(on: packet.link))
    guard index != 0 else { return }
    let flow = flows.pointer(index)
    // The quoted sequence number must be that of the SYN: an attacker would have to guess it (RFC 5927 §4.1).
    guard flow.pointee.state == .synSent, quoted.sequence == flow.pointee.sender.unacknowledged,
      !flow.pointee.flags.contains(.resetDue)
    else { return }
    if isRefusal { counters.refused &+= 1 } else { counters.unreachable &+= 1 }
    forwards.flowFailed(flow.pointee.owner, isRefusal ? .refused : .unreachable)
    abandon(flow)
  }
}

/// Addresses, port numbers and sequence number of a TCP segment quoted in an ICMP error.
struct QuotedTCP {
  let source: Endpoint
  let destination: Endpoint
  let sequence: UInt32

  /// Nil if it is no TCP segment, or too short.
  /// - Parameter bytes: from the IP header on. IPv6 packets of the stack have no extension headers.
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

  /// The key of the flow that sent the segment.
  func key(on link: UInt32) -> FlowKey {
    FlowKey(
      link: link, proto: IPProtocol.tcp, guest: destination.address, guestPort: destination.port,
      remote: source.address, remotePort: source.port)
  }
}
