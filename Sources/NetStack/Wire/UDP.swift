// SPDX-License-Identifier: Apache-2.0
//
// UDP (RFC 768; RFC 8200 §8.1 for its checksum over IPv6).

/// Offsets in the header, for those who patch a template.
package enum UDPField {
  package static let sourcePort = 0
  package static let destinationPort = 2
  package static let length = 4
  package static let checksum = 6
}

/// A view of a datagram. After the check no getter reads outside it.
package struct UDPPacket: BitwiseCopyable {
  /// The datagram, cut to its length field.
  package let bytes: ByteView

  /// Nil unless header and payload are complete. The checksum is a question of its own.
  @inline(__always)
  package init?(checking bytes: ByteView) {
    guard bytes.count >= UDPHeader.encodedLength else { return nil }
    let length = Int(bytes.uint16(at: UDPField.length))
    guard length >= UDPHeader.encodedLength, length <= bytes.count else { return nil }
    self.bytes = ByteView(bytes.base, count: length)
  }

  @inline(__always) package var sourcePort: UInt16 { bytes.uint16(at: UDPField.sourcePort) }
  @inline(__always)
  package var destinationPort: UInt16 { bytes.uint16(at: UDPField.destinationPort) }
  @inline(__always) package var checksum: UInt16 { bytes.uint16(at: UDPField.checksum) }
  @inline(__always) package var payload: ByteView { bytes.dropFirst(UDPHeader.encodedLength) }

  /// Without a checksum an IPv4 datagram is valid and an IPv6 datagram isn't.
  @inline(__always)
  package func isChecksumValid(source: IPAddress, destination: IPAddress) -> Bool {
    if checksum == 0 { return source.isV4 }
    var sum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.udp,
      length: bytes.count)
    sum.add(bytes)
    return sum.isValid
  }
}

package struct UDPHeader: Hashable, Sendable, BitwiseCopyable {
  package var sourcePort: UInt16
  package var destinationPort: UInt16
  /// 0...65527.
  package var payloadLength: Int

  package static let encodedLength = 8
  package static let maxPayloadLength = 65535 - 8

  @inline(__always)
  package init(sourcePort: UInt16, destinationPort: UInt16, payloadLength: Int) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.payloadLength = payloadLength
  }

  @inline(__always)
  package init(_ packet: UDPPacket) {
    self.init(
      sourcePort: packet.sourcePort, destinationPort: packet.destinationPort,
      payloadLength: packet.payload.count)
  }

  /// Writes the header with a zero checksum field. Returns the bytes written:
  /// `encodedLength`, or 0 if they don't fit or the payload is longer than UDP can say.
  @inline(__always) @discardableResult
  package func emit(into out: MutableByteView) -> Int {
    guard out.count >= UDPHeader.encodedLength, payloadLength >= 0,
      payloadLength <= UDPHeader.maxPayloadLength
    else { return 0 }
    out.store(sourcePort, at: UDPField.sourcePort)
    out.store(destinationPort, at: UDPField.destinationPort)
    out.store(
      UInt16(truncatingIfNeeded: payloadLength &+ UDPHeader.encodedLength), at: UDPField.length)
    out.store(UInt16(0), at: UDPField.checksum)
    return UDPHeader.encodedLength
  }

  /// Writes the header with the checksum over pseudo header, header and `payload`,
  /// which is or will be sent behind it and has `payloadLength` bytes.
  @inline(__always) @discardableResult
  package func emit(
    into out: MutableByteView, payload: ByteView, source: IPAddress, destination: IPAddress
  ) -> Int {
    assert(payload.count == payloadLength)
    guard emit(into: out) != 0 else { return 0 }
    var sum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.udp,
      length: UDPHeader.encodedLength &+ payload.count)
    sum.add(ByteView(out.base, count: UDPHeader.encodedLength))
    sum.add(payload)
    out.store(sum.udpValue, at: UDPField.checksum)
    return UDPHeader.encodedLength
  }

  /// Writes the header with the folded sum of the pseudo header in the checksum
  /// field: for a frame with LND_FRAME_NEEDS_CSUM.
  @inline(__always) @discardableResult
  package func emitPartialChecksum(
    into out: MutableByteView, source: IPAddress, destination: IPAddress
  ) -> Int {
    guard emit(into: out) != 0 else { return 0 }
    let sum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.udp,
      length: UDPHeader.encodedLength &+ payloadLength)
    out.store(sum.folded, at: UDPField.checksum)
    return UDPHeader.encodedLength
  }
}
