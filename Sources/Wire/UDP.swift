// SPDX-License-Identifier: Apache-2.0
//
// UDP (RFC 768; RFC 8200 §8.1 for its checksum over IPv6).

/// Offsets in the header, for those who patch a template.
public enum UDPField {
  public static let sourcePort = 0
  public static let destinationPort = 2
  public static let length = 4
  public static let checksum = 6
}

/// Port numbers with a meaning to a network (IANA).
public enum UDPPort {
  public static let dns: UInt16 = 53
  public static let dhcpServer: UInt16 = 67
  public static let dhcpClient: UInt16 = 68
  public static let dhcpV6Client: UInt16 = 546
}

/// A view of a datagram. After the check no getter reads outside it.
public struct UDPPacket: BitwiseCopyable {
  /// The datagram, cut to its length field.
  public let bytes: ByteView

  /// Nil unless header and payload are complete. The checksum is a question of its own.
  @inline(__always)
  public init?(checking bytes: ByteView) {
    guard bytes.count >= UDPHeader.encodedLength else { return nil }
    let length = Int(bytes.uint16(at: UDPField.length))
    guard length >= UDPHeader.encodedLength, length <= bytes.count else { return nil }
    self.bytes = ByteView(bytes.base, count: length)
  }

  @inline(__always) public var sourcePort: UInt16 { bytes.uint16(at: UDPField.sourcePort) }
  @inline(__always)
  public var destinationPort: UInt16 { bytes.uint16(at: UDPField.destinationPort) }
  @inline(__always) public var checksum: UInt16 { bytes.uint16(at: UDPField.checksum) }
  @inline(__always) public var payload: ByteView { bytes.dropFirst(UDPHeader.encodedLength) }

  /// Without a checksum an IPv4 datagram is valid and an IPv6 datagram isn't.
  @inline(__always)
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

  public static let encodedLength = 8
  public static let maxPayloadLength = 65535 - 8

  @inline(__always)
  public init(sourcePort: UInt16, destinationPort: UInt16, payloadLength: Int) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.payloadLength = payloadLength
  }

  @inline(__always)
  public init(_ packet: UDPPacket) {
    self.init(
      sourcePort: packet.sourcePort, destinationPort: packet.destinationPort,
      payloadLength: packet.payload.count)
  }

  /// Writes the header with a zero checksum field. Returns the bytes written:
  /// `encodedLength`, or 0 if they don't fit or the payload is longer than UDP can say.
  @inline(__always) @discardableResult
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
  @inline(__always) @discardableResult
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
  @inline(__always) @discardableResult
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
