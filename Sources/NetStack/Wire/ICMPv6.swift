// SPDX-License-Identifier: Apache-2.0
//
// ICMPv6 (RFC 4443): its messages. The header is ICMPMessage.swift.

/// Message types of RFC 4443 and RFC 4861.
package enum ICMPv6Type {
  package static let destinationUnreachable: UInt8 = 1
  package static let packetTooBig: UInt8 = 2
  package static let timeExceeded: UInt8 = 3
  package static let parameterProblem: UInt8 = 4
  package static let echoRequest: UInt8 = 128
  package static let echoReply: UInt8 = 129
  package static let routerSolicitation: UInt8 = 133
  package static let routerAdvertisement: UInt8 = 134
  package static let neighborSolicitation: UInt8 = 135
  package static let neighborAdvertisement: UInt8 = 136

  /// Whether a message is an error (RFC 4443 §2.1).
  package static func isError(_ type: UInt8) -> Bool { type < 128 }
}

/// A view of a message.
package struct ICMPv6Packet: ICMPMessage {
  package let bytes: ByteView

  /// Nil for less than eight bytes. The checksum is a question of its own.
  package init?(checking bytes: ByteView) {
    guard bytes.count >= ICMPHeader.encodedLength else { return nil }
    self.bytes = bytes
  }

  package func isChecksumValid(source: IPAddress, destination: IPAddress) -> Bool {
    var checksum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.icmpV6,
      length: bytes.count)
    checksum.add(bytes)
    return checksum.isValid
  }
}
