// SPDX-License-Identifier: Apache-2.0
//
// A piece of a datagram, in terms that both families share.

import Wire

/// A fragment as the reassembler takes it; borrowed from the packet.
package struct Fragment {
  /// Which datagram it is a piece of (RFC 791 §3.2; of IPv6 the protocol is no part of it, RFC 8200 §4.5).
  struct Key: Hashable, BitwiseCopyable {
    var source: IPAddress
    var destination: IPAddress
    /// 0 of IPv6.
    var protocolNumber: UInt8
    /// 16 bits of IPv4, 32 of IPv6.
    var identification: UInt32
  }

  let key: Key
  /// Where the payload belongs in the datagram, in bytes; a multiple of 8.
  let offset: Int
  let moreFragments: Bool
  let payload: ByteView
  /// The headers that the whole datagram has in front of its payload, if this is the first.
  let header: ByteView
  /// What the payload begins with in the whole datagram, if this is the first.
  let protocolNumber: UInt8
  let sourceMAC: MACAddress

  package init(_ packet: IPv4Packet, from mac: MACAddress) {
    key = Key(
      source: packet.source, destination: packet.destination,
      protocolNumber: packet.protocolNumber, identification: UInt32(packet.identification))
    offset = packet.fragmentOffset
    moreFragments = packet.moreFragments
    payload = packet.payload
    header = packet.header
    protocolNumber = packet.protocolNumber
    sourceMAC = mac
  }

  /// - Parameters:
  ///   - payload: what is behind the fragment header.
  ///   - protocolNumber: what the fragment header says of it.
  package init(
    _ packet: IPv6Packet, _ fragment: IPv6Fragment, protocolNumber: UInt8, payload: ByteView,
    from mac: MACAddress
  ) {
    key = Key(
      source: packet.source, destination: packet.destination, protocolNumber: 0,
      identification: fragment.identification)
    offset = fragment.offset
    moreFragments = fragment.moreFragments
    self.payload = payload
    // Extension headers of each fragment have been looked at, and end here.
    header = packet.bytes.prefix(IPv6Header.encodedLength)
    self.protocolNumber = protocolNumber
    sourceMAC = mac
  }

  var isV4: Bool { key.source.isV4 }

  var end: Int { offset &+ payload.count }

  /// Whether it can be a piece of any datagram: pieces but the last are whole blocks of eight
  /// bytes, none is empty, and none reaches beyond 64 KiB (the "ping of death").
  var isSane: Bool {
    !payload.isEmpty
      && end <= (isV4 ? IPv4Header.maxPayloadLength : IPv6Header.maxPayloadLength)
      && (!moreFragments || payload.count & 7 == 0)
  }
}
