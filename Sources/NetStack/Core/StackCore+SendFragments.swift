// SPDX-License-Identifier: Apache-2.0
//
// Sends a packet that exceeds a link's MTU in fragments (RFC 791 §3.2, RFC 8200 §4.5). Payload is referenced and must
// stay valid until the transmitter is flushed.

import Wire

extension FrameSlice {
  /// The same bytes, for the transmitter.
  @inline(__always)
  init(_ bytes: ByteView) {
    self.init(data: bytes.base.assumingMemoryBound(to: UInt8.self), length: UInt64(bytes.count))
  }
}

extension StackCore {
  /// Sends an IP packet, fragmented if necessary.
  /// - Parameters:
  ///   - header: the eight bytes of a UDP or ICMP header as they lie in memory, checksum
  ///     complete.
  ///   - payload: what follows them.
  /// - Returns: false when the link has no room, or the packet is longer than any.
  func sendFragments(
    _ header: UInt64, _ payload: ByteView, protocolNumber: UInt8, from source: IPAddress,
    to destination: IPAddress, hopLimit: UInt8 = 64, trafficClass: UInt8 = 0, mac: MACAddress,
    on link: UInt32
  ) -> Bool {
    let length = MemoryLayout<UInt64>.size &+ payload.count
    let mtu = Int(links.pointer(link).pointee.mtu)
    guard destination.isV4 else {
      return sendFragments(
        header, payload,
        IPv6Header(
          source: source, destination: destination, nextHeader: protocolNumber,
          payloadLength: length, hopLimit: hopLimit, trafficClass: trafficClass), mtu: mtu,
        mac: mac, on: link)
    }
    let whole = IPv4Header(
      source: source, destination: destination, protocolNumber: protocolNumber,
      payloadLength: length, identification: nextIdentification(), timeToLive: hopLimit,
      trafficClass: trafficClass)
    guard var fragments = Fragmenter(whole, mtu: mtu) else { return false }
    while let (ip, part) = fragments.next() {
      let isSent = sendPart(
        part, of: header, payload, behind: EthernetHeader.encodedLength + IPv4Header.encodedLength,
        mac: mac, EtherType.ipv4, on: link
      ) { ip.emit(into: $0) }
      guard isSent else { return false }
    }
    return true
  }

  private func sendFragments(
    _ header: UInt64, _ payload: ByteView, _ whole: IPv6Header, mtu: Int, mac: MACAddress,
    on link: UInt32
  ) -> Bool {
    if IPv6Header.encodedLength &+ whole.payloadLength <= mtu {
      return sendPart(
        0..<whole.payloadLength, of: header, payload, behind: Self.headersV6, mac: mac,
        EtherType.ipv6, on: link
      ) { whole.emit(into: $0) }
    }
    // Must be unpredictable (RFC 7739 §5).
    let identification = UInt32(truncatingIfNeeded: random.next())
    guard var fragments = IPv6Fragmenter(whole, identification: identification, mtu: mtu) else {
      return false
    }
    while let (ip, fragment, part) = fragments.next() {
      let isSent = sendPart(
        part, of: header, payload,
        behind: Self.headersV6 + IPv6ExtensionField.minimumLength, mac: mac, EtherType.ipv6,
        on: link
      ) {
        ip.emit(into: $0)
        fragment.emit(nextHeader: whole.nextHeader, into: $0.dropFirst(IPv6Header.encodedLength))
      }
      guard isSent else { return false }
    }
    return true
  }

  /// Sends a part of header and payload in one frame.
  /// - Parameters:
  ///   - start: bytes of Ethernet and IP headers in front of the part.
  ///   - emit: writes the IP headers.
  @inline(__always)
  private func sendPart(
    _ part: Range<Int>, of header: UInt64, _ payload: ByteView, behind start: Int, mac: MACAddress,
    _ etherType: UInt16, on link: UInt32, _ emit: (MutableByteView) -> Void
  ) -> Bool {
    let headerLength = MemoryLayout<UInt64>.size
    let isFirst = part.lowerBound == 0
    let own = isFirst ? start &+ headerLength : start
    guard let space = transmitter.prepare(link: link, byteCount: own, waits: true) else {
      return false
    }
    let out = MutableByteView(space, count: own)
    EthernetHeader(destination: mac, source: config.gatewayMAC, etherType: etherType)
      .emit(into: out)
    emit(out.dropFirst(EthernetHeader.encodedLength))
    if isFirst { (space + start).storeBytes(of: header, as: UInt64.self) }
    let from = isFirst ? 0 : part.lowerBound &- headerLength
    let count = isFirst ? part.count &- headerLength : part.count
    transmitter.commit(
      headerLength: own, payload: FrameSlice(payload.slice(at: from, count: count)),
      urgency: .datagram)
    return true
  }
}
