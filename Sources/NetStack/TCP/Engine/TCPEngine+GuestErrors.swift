// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors from a guest, or from a router behind it, about a SYN of ours: a firewall's reject, an
// address that is not there. While a connection is being opened each of them ends the attempt
// (RFC 1122 §4.2.3.9, RFC 5461 §4.1), as Linux does it, so that the client hears at once. Once the
// connection is open none does (RFC 5927 §5.2). Such errors about UDP end here: a socket cannot
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
      reducePathMTU(packet, message)
    } else {
      connectionFailed(packet, message)
    }
  }

  /// - Parameters:
  ///   - packet: from the guest.
  ///   - message: the ICMP message in it, its checksum verified.
  private func connectionFailed(_ packet: InboundPacket, _ message: ICMPv4Packet) {
    guard let quoted = QuotedTCP(message.payload) else { return }
    let index = table.find(quoted.key(on: packet.link))
    guard index != 0 else { return }
    let flow = flows.pointer(index)
    // Whoever guesses has to guess the sequence number, too (RFC 5927 §4.1).
    guard flow.pointee.state == .synSent, quoted.sequence == flow.pointee.sender.unacknowledged,
      !flow.pointee.flags.contains(.resetDue)
    else { return }
    let isRefusal =
      message.type == ICMPv4Type.destinationUnreachable
      && message.code != ICMPv4Unreachable.network && message.code != ICMPv4Unreachable.host
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

  init?(_ bytes: ByteView) {
    guard bytes.count >= IPv4Header.encodedLength, bytes[IPv4Field.versionAndLength] >> 4 == 4
    else { return nil }
    let headerLength = Int(bytes[IPv4Field.versionAndLength] & 0xf) &* 4
    guard headerLength >= IPv4Header.encodedLength,
      bytes[IPv4Field.protocolNumber] == IPProtocol.tcp,
      bytes.uint16(at: IPv4Field.fragment) & IPv4FragmentBits.offset == 0,
      bytes.count >= headerLength &+ TCPField.acknowledgement
    else { return nil }
    let segment = bytes.dropFirst(headerLength)
    source = Endpoint(
      bytes.ipv4Address(at: IPv4Field.source), port: segment.uint16(at: TCPField.sourcePort))
    destination = Endpoint(
      bytes.ipv4Address(at: IPv4Field.destination),
      port: segment.uint16(at: TCPField.destinationPort))
    sequence = segment.uint32(at: TCPField.sequence)
  }

  /// The flow that the segment was sent for.
  func key(on link: UInt32) -> FlowKey {
    FlowKey(
      link: link, proto: IPProtocol.tcp, guest: destination.address, guestPort: destination.port,
      remote: source.address, remotePort: source.port)
  }
}
