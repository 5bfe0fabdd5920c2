// SPDX-License-Identifier: Apache-2.0
//
// A fragment of a datagram, independent of the IP family.

import Wire

/// A fragment for the reassembler; borrowed from the packet.
package struct Fragment {
  /// Identifies the datagram (RFC 791 §3.2; for IPv6 without the protocol, RFC 8200 §4.5).
  struct Key: Hashable, BitwiseCopyable {
    var source: IPAddress
    var destination: IPAddress
    /// 0 for IPv6.
    var protocolNumber: UInt8
    /// 16 bits for IPv4, 32 for IPv6.
    var identification: UInt32
  }

  let key: Key
  /// The payload's offset in the datagram, in bytes; a multiple of 8.
  let offset: Int
  let moreFragments: Bool
  let payload: ByteView
  /// The headers in front of the whole datagram's payload, from the first fragment.
  let header: ByteView
  /// The protocol of the whole datagram's payload, from the first fragment.
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
  ///   - payload: what follows the fragment header.
  ///   - protocolNumber: the fragment header's next header.
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
    // The extension headers before the fragment header have been processed, and are dropped.
    header = packet.bytes.prefix(IPv6Header.encodedLength)
    self.protocolNumber = protocolNumber
    sourceMAC = mac
  }

  var isV4: Bool { key.source.isV4 }

  var end: Int { offset &+ payload.count }

  /// Whether it can be a fragment of any datagram: all but the last have a multiple of eight bytes, none is empty,
  /// and none extends beyond 64 KiB (the "ping of death").
  var isSane: Bool {
    !payload.isEmpty
      && end <= (isV4 ? IPv4Header.maxPayloadLength : IPv6Header.maxPayloadLength)
      && (!moreFragments || payload.count & 7 == 0)
  }
}
