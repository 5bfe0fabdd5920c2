// SPDX-License-Identifier: Apache-2.0
//
// IPv6 packets that the stack's own services send (RFC 8200 §3): one frame each.

import Wire

extension StackCore {
  /// Bytes of Ethernet and IPv6 header.
  static let headersV6 = EthernetHeader.encodedLength + IPv6Header.encodedLength

  /// Sends an IPv6 packet of a service. False when it exceeds the link's MTU, or the link has no room.
  /// - Parameters:
  ///   - payload: what is behind the IPv6 header, checksums complete; copied.
  ///   - destination: a guest's address or a group.
  ///   - mac: the guest's Ethernet address; may be nil for a group.
  @discardableResult
  package func sendIPv6(
    _ payload: ByteView, nextHeader: UInt8, from source: IPAddress, to destination: IPAddress,
    hopLimit: UInt8 = 64, mac: MACAddress?, on link: UInt32
  ) -> Bool {
    guard let mac = mac ?? (destination.isMulticast ? MACAddress(group: destination) : nil),
      links.isTaken(link),
      IPv6Header.encodedLength &+ payload.count <= Int(links.pointer(link).pointee.mtu)
    else { return false }
    let length = Self.headersV6 &+ payload.count
    guard let room = transmitter.prepare(link: link, byteCount: length, waits: true) else {
      return false
    }
    let out = MutableByteView(room, count: length)
    EthernetHeader(destination: mac, source: config.gatewayMAC, etherType: EtherType.ipv6)
      .emit(into: out)
    IPv6Header(
      source: source, destination: destination, nextHeader: nextHeader,
      payloadLength: payload.count, hopLimit: hopLimit
    ).emit(into: out.dropFirst(EthernetHeader.encodedLength))
    out.store(payload, at: Self.headersV6)
    transmitter.commit(headerLength: length, urgency: .control)
    return true
  }

  /// Sends an ICMPv6 message of a service; its checksum is written here. The hop limit is 255 for Neighbor Discovery
  /// (RFC 4861 §4), 1 for MLD.
  /// - Parameter header: its first eight bytes; `body` is what follows them.
  @discardableResult
  package func sendICMPv6(
    _ header: ICMPHeader, _ body: ByteView, from source: IPAddress, to destination: IPAddress,
    hopLimit: UInt8 = 255, mac: MACAddress?, on link: UInt32
  ) -> Bool {
    let length = ICMPHeader.encodedLength &+ body.count
    return withUnsafeTemporaryAllocation(byteCount: length, alignment: 8) { space in
      guard let base = space.baseAddress else { return false }
      let out = MutableByteView(base, count: length)
      out.store(body, at: ICMPHeader.encodedLength)
      header.emit(into: out, payload: body, source: source, destination: destination)
      return sendIPv6(
        ByteView(base, count: length), nextHeader: IPProtocol.icmpV6, from: source,
        to: destination, hopLimit: hopLimit, mac: mac, on: link)
    }
  }

  /// Sends a neighbor solicitation for an IPv6 address with the stack's Ethernet address (RFC 4861 §4.3).
  func solicit(_ address: IPAddress, on link: UInt32) {
    guard let ipv6 = config.ipv6 else { return }
    var body: (UInt64, UInt64, UInt64) = (
      address.high.bigEndian, address.low.bigEndian,
      // Source link-layer address, eight bytes.
      (0x0101_0000_0000_0000 | config.gatewayMAC.rawValue).bigEndian
    )
    _ = withUnsafeBytes(of: &body) { bytes in
      sendICMPv6(
        ICMPHeader(type: ICMPv6Type.neighborSolicitation), ByteView(bytes), from: ipv6.linkLocal,
        to: address.solicitedNode, mac: nil, on: link)
    }
  }
}
