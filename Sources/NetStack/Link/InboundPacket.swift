// SPDX-License-Identifier: Apache-2.0
//
// An IP packet from a guest, its headers checked, for an engine.

import Wire

/// Borrowed from the receive buffer for the call. Whole packets only: fragments were reassembled before. Trivial;
/// independent of the IP family.
package struct InboundPacket: BitwiseCopyable {
  package var link: UInt32
  package var sourceMAC: MACAddress
  package var source: IPAddress
  package var destination: IPAddress
  /// IP protocol number of `payload`.
  package var proto: UInt8
  package var hopLimit: UInt8
  /// The transport header and what follows it, cut to the packet's own length.
  package var payload: ByteView
  /// The packet from its IP header on; an ICMP error quotes it.
  package var packet: ByteView
  /// The transport checksum is known to be valid, or the host's link completes it (FrameFlags): do not verify.
  package var isChecksumTrusted: Bool
  /// It came in fragments.
  package var isReassembled: Bool = false
  /// Payload bytes of each datagram in a UDP GSO frame (GSOType.udp); 0 for one datagram.
  package var segmentSize: UInt16 = 0
  /// The slot that LookAhead expects in its engine's table; 0: unknown.
  package var guess: UInt32 = 0

  /// Offset of `proto` in an IPv6 packet.
  var nextHeaderOffset: UInt32 {
    guard !source.isV4, let ip = IPv6Packet(checking: packet), case .layer(let layer) = ip.walk()
    else { return 0 }
    return UInt32(layer.nextHeaderOffset)
  }
}
