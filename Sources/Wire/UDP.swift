// SPDX-License-Identifier: Apache-2.0
//
// UDP (RFC 768; RFC 8200 §8.1 for its checksum over IPv6).

/// Offsets in the header, for code that patches a template.
public enum UDPField {
  @inlinable public static var sourcePort: Int { 0 }
  @inlinable public static var destinationPort: Int { 2 }
  @inlinable public static var length: Int { 4 }
  @inlinable public static var checksum: Int { 6 }
}

/// Well-known port numbers (IANA).
public enum UDPPort {
  @inlinable public static var dns: UInt16 { 53 }
  @inlinable public static var dhcpServer: UInt16 { 67 }
  @inlinable public static var dhcpClient: UInt16 { 68 }
  @inlinable public static var dhcpV6Client: UInt16 { 546 }
  @inlinable public static var dhcpV6Server: UInt16 { 547 }
}

/// A view of a datagram. After the check no getter reads outside it.
public struct UDPPacket: BitwiseCopyable {
  /// The datagram, cut to its length field.
  public let bytes: ByteView

  /// Nil unless header and payload are complete. The checksum is not verified.
  @inlinable @inline(__always)
  public init?(checking bytes: ByteView) {
    guard bytes.count >= UDPHeader.encodedLength else { return nil }
    let length = Int(bytes.uint16(at: UDPField.length))
    guard length >= UDPHeader.encodedLength, length <= bytes.count else { return nil }
    self.bytes = ByteView(bytes.base, count: length)
  }

  @inlinable @inline(__always) public var sourcePort: UInt16 {
    bytes.uint16(at: UDPField.sourcePort)
  }
  @inlinable @inline(__always)
  public var destinationPort: UInt16 { bytes.uint16(at: UDPField.destinationPort) }
  @inlinable @inline(__always) public var checksum: UInt16 { bytes.uint16(at: UDPField.checksum) }
  @inlinable @inline(__always) public var payload: ByteView {
    bytes.dropFirst(UDPHeader.encodedLength)
  }

  /// Without a checksum an IPv4 datagram is valid and an IPv6 datagram isn't.
  @inlinable @inline(__always)
  public func isChecksumValid(source: IPAddress, destination: IPAddress) -> Bool {
    if checksum == 0 { return source.isV4 }
    var sum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.udp,
      length: bytes.count)
    sum.add(bytes)
    return sum.isValid
  }
}

public struct UDPHeader: Hashable, Sendable, BitwiseCopyable {
  public var sourcePort: UInt16
  public var destinationPort: UInt16
  /// 0...65527.
  public var payloadLength: Int

  @inlinable public static var encodedLength: Int { 8 }
  @inlinable public static var maxPayloadLength: Int { 65535 - 8 }

  @inlinable @inline(__always)
  public init(sourcePort: UInt16, destinationPort: UInt16, payloadLength: Int) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.payloadLength = payloadLength
  }

  @inlinable @inline(__always)
  public init(_ packet: UDPPacket) {
    self.init(
      sourcePort: packet.sourcePort, destinationPort: packet.destinationPort,
      payloadLength: packet.payload.count)
  }

  /// Writes the header with a zero checksum field. Returns the bytes written:
  /// `encodedLength`, or 0 if they don't fit or the payload is too long for the length field.
  @inlinable @inline(__always) @discardableResult
  public func emit(into out: MutableByteView) -> Int {
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
  @inlinable @inline(__always) @discardableResult
  public func emit(
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
  /// field: for a frame whose checksum the link completes.
  @inlinable @inline(__always) @discardableResult
  public func emitPartialChecksum(
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
