// SPDX-License-Identifier: Apache-2.0
//
// ICMP (RFC 792): its messages. The header is ICMPMessage.swift.

/// Message types of RFC 792.
public enum ICMPv4Type {
  public static let echoReply: UInt8 = 0
  public static let destinationUnreachable: UInt8 = 3
  public static let sourceQuench: UInt8 = 4
  public static let redirect: UInt8 = 5
  public static let echoRequest: UInt8 = 8
  /// RFC 1256.
  public static let routerAdvertisement: UInt8 = 9
  public static let timeExceeded: UInt8 = 11
  public static let parameterProblem: UInt8 = 12

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
  public static let network: UInt8 = 0
  public static let host: UInt8 = 1
  public static let protocolNumber: UInt8 = 2
  public static let port: UInt8 = 3
  /// With the next hop's MTU in the low half of `rest` (RFC 1191 §4).
  public static let fragmentationNeeded: UInt8 = 4
  public static let networkProhibited: UInt8 = 9
  public static let hostProhibited: UInt8 = 10
  public static let prohibited: UInt8 = 13
}

/// Codes of time exceeded.
public enum ICMPv4TimeExceeded {
  public static let inTransit: UInt8 = 0
  public static let reassembly: UInt8 = 1
}

/// A view of a message.
public struct ICMPv4Packet: ICMPMessage {
  public let bytes: ByteView

  /// Nil for less than eight bytes. The checksum is a question of its own.
  public init?(checking bytes: ByteView) {
    guard bytes.count >= ICMPHeader.encodedLength else { return nil }
    self.bytes = bytes
  }

  public var isChecksumValid: Bool { Checksum.isValid(bytes) }
}
