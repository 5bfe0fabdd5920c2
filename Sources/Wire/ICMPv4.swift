// SPDX-License-Identifier: Apache-2.0
//
// ICMP (RFC 792): its messages. The header is ICMPMessage.swift.

/// Message types of RFC 792.
public enum ICMPv4Type {
  @inlinable public static var echoReply: UInt8 { 0 }
  @inlinable public static var destinationUnreachable: UInt8 { 3 }
  @inlinable public static var sourceQuench: UInt8 { 4 }
  @inlinable public static var redirect: UInt8 { 5 }
  @inlinable public static var echoRequest: UInt8 { 8 }
  /// RFC 1256.
  @inlinable public static var routerAdvertisement: UInt8 { 9 }
  @inlinable public static var timeExceeded: UInt8 { 11 }
  @inlinable public static var parameterProblem: UInt8 { 12 }

  /// Whether a message is an error: no error may be sent about one (RFC 1122 §3.2.2).
  public static func isError(_ type: UInt8) -> Bool {
    switch type {
    case destinationUnreachable, sourceQuench, redirect, timeExceeded, parameterProblem: true
    default: false
    }
  }
}

/// Codes of destination unreachable (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
public enum ICMPv4Unreachable {
  @inlinable public static var network: UInt8 { 0 }
  @inlinable public static var host: UInt8 { 1 }
  @inlinable public static var protocolNumber: UInt8 { 2 }
  @inlinable public static var port: UInt8 { 3 }
  /// With the next hop's MTU in the low half of `rest` (RFC 1191 §4).
  @inlinable public static var fragmentationNeeded: UInt8 { 4 }
  @inlinable public static var networkProhibited: UInt8 { 9 }
  @inlinable public static var hostProhibited: UInt8 { 10 }
  @inlinable public static var prohibited: UInt8 { 13 }
}

/// Codes of time exceeded.
public enum ICMPv4TimeExceeded {
  @inlinable public static var inTransit: UInt8 { 0 }
  @inlinable public static var reassembly: UInt8 { 1 }
}

/// A view of a message.
public struct ICMPv4Packet: ICMPMessage {
  public let bytes: ByteView

  /// Nil for less than eight bytes. The checksum is not verified.
  public init?(checking bytes: ByteView) {
    guard bytes.count >= ICMPHeader.encodedLength else { return nil }
    self.bytes = bytes
  }

  public var isChecksumValid: Bool { Checksum.isValid(bytes) }
}
