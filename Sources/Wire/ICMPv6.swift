// SPDX-License-Identifier: Apache-2.0
//
// ICMPv6 (RFC 4443): its messages. The header is ICMPMessage.swift.

/// Message types of RFC 4443 and RFC 4861.
public enum ICMPv6Type {
  public static let destinationUnreachable: UInt8 = 1
  public static let packetTooBig: UInt8 = 2
  public static let timeExceeded: UInt8 = 3
  public static let parameterProblem: UInt8 = 4
  public static let echoRequest: UInt8 = 128
  public static let echoReply: UInt8 = 129
  public static let routerSolicitation: UInt8 = 133
  public static let routerAdvertisement: UInt8 = 134
  public static let neighborSolicitation: UInt8 = 135
  public static let neighborAdvertisement: UInt8 = 136

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
