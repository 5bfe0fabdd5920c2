// SPDX-License-Identifier: Apache-2.0
//
// A packet that is longer than a link's MTU, in fragments (RFC 791 §3.2). Payload is
// sent from where it lies and must stay there until the transmitter is flushed.

import Wire

extension FrameSlice {
  /// The same bytes, for the transmitter.
  @inline(__always)
  init(_ bytes: ByteView) {
    self.init(data: bytes.base.assumingMemoryBound(to: UInt8.self), length: UInt64(bytes.count))
  }
}

extension StackCore {
  /// Sends an IPv4 packet, in fragments if it must be.
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
    let headerLength = MemoryLayout<UInt64>.size
    let whole = IPv4Header(
      source: source, destination: destination, protocolNumber: protocolNumber,
      payloadLength: headerLength &+ payload.count, identification: nextIdentification(),
      timeToLive: hopLimit, trafficClass: trafficClass)
    guard var fragments = Fragmenter(whole, mtu: Int(links.pointer(link).pointee.mtu)) else {
      return false
    }
    let start = EthernetHeader.encodedLength + IPv4Header.encodedLength
    while let (ip, part) = fragments.next() {
      let isFirst = part.lowerBound == 0
      let own = isFirst ? start &+ headerLength : start
      guard let space = transmitter.prepare(link: link, byteCount: own, waits: true) else {
        return false
      }
      let out = MutableByteView(space, count: own)
      EthernetHeader(destination: mac, source: config.gatewayMAC, etherType: EtherType.ipv4)
        .emit(into: out)
      ip.emit(into: out.dropFirst(EthernetHeader.encodedLength))
      if isFirst { (space + start).storeBytes(of: header, as: UInt64.self) }
      let from = isFirst ? 0 : part.lowerBound &- headerLength
      let count = isFirst ? part.count &- headerLength : part.count
      transmitter.commit(
        headerLength: own, payload: FrameSlice(payload.slice(at: from, count: count)),
        urgency: .datagram)
    }
    return true
  }
}
