// SPDX-License-Identifier: Apache-2.0
//
// ICMPv6 (RFC 4443): its messages. The header is ICMPMessage.swift.

/// Message types of RFC 4443 and RFC 4861.
public enum ICMPv6Type {
  @inlinable public static var destinationUnreachable: UInt8 { 1 }
  @inlinable public static var packetTooBig: UInt8 { 2 }
  @inlinable public static var timeExceeded: UInt8 { 3 }
  @inlinable public static var parameterProblem: UInt8 { 4 }
  @inlinable public static var echoRequest: UInt8 { 128 }
  @inlinable public static var echoReply: UInt8 { 129 }
  @inlinable public static var routerSolicitation: UInt8 { 133 }
  @inlinable public static var routerAdvertisement: UInt8 { 134 }
  @inlinable public static var neighborSolicitation: UInt8 { 135 }
  @inlinable public static var neighborAdvertisement: UInt8 { 136 }

  /// Whether a message is an error (RFC 4443 §2.1).
  public static func isError(_ type: UInt8) -> Bool { type < 128 }
}

/// A view of a message.
public struct ICMPv6Packet: ICMPMessage {
  public let bytes: ByteView

  /// Nil for less than eight bytes. The checksum is a question of its own.
  public init?(checking bytes: ByteView) {
    guard bytes.count >= ICMPHeader.encodedLength else { return nil }
    self.bytes = bytes
  }

  public func isChecksumValid(source: IPAddress, destination: IPAddress) -> Bool {
    var checksum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.icmpV6,
      length: bytes.count)
    checksum.add(bytes)
    return checksum.isValid
  }
}
