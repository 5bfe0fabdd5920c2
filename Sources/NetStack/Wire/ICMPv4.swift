// SPDX-License-Identifier: Apache-2.0
//
// ICMP (RFC 792): its messages. The header is ICMPMessage.swift.

/// Message types of RFC 792.
package enum ICMPv4Type {
  package static let echoReply: UInt8 = 0
  package static let destinationUnreachable: UInt8 = 3
  package static let sourceQuench: UInt8 = 4
  package static let redirect: UInt8 = 5
  package static let echoRequest: UInt8 = 8
  package static let timeExceeded: UInt8 = 11
  package static let parameterProblem: UInt8 = 12

  /// Whether a message is an error: no error may be sent about one (RFC 1122 §3.2.2).
  package static func isError(_ type: UInt8) -> Bool {
    switch type {
    case destinationUnreachable, sourceQuench, redirect, timeExceeded, parameterProblem: true
    default: false
    }
  }
}

/// Codes of destination unreachable (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
package enum ICMPv4Unreachable {
  package static let network: UInt8 = 0
  package static let host: UInt8 = 1
  package static let protocolNumber: UInt8 = 2
  package static let port: UInt8 = 3
  /// With the next hop's MTU in the low half of `rest` (RFC 1191 §4).
  package static let fragmentationNeeded: UInt8 = 4
  package static let networkProhibited: UInt8 = 9
  package static let hostProhibited: UInt8 = 10
  package static let prohibited: UInt8 = 13
}

/// Codes of time exceeded.
package enum ICMPv4TimeExceeded {
  package static let inTransit: UInt8 = 0
  package static let reassembly: UInt8 = 1
}

/// A view of a message.
package struct ICMPv4Packet: ICMPMessage {
  package let bytes: ByteView

  /// Nil for less than eight bytes. The checksum is a question of its own.
  package init?(checking bytes: ByteView) {
    guard bytes.count >= ICMPHeader.encodedLength else { return nil }
    self.bytes = bytes
  }

  package var isChecksumValid: Bool { Checksum.isValid(bytes) }
}
