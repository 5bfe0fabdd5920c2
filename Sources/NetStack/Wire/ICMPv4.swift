// SPDX-License-Identifier: Apache-2.0
//
// ICMP (RFC 792): the common eight bytes. What follows them is the payload: echo
// data, or the start of the packet that an error is about.

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

private enum Field {
  static let type = 0
  static let code = 1
  static let checksum = 2
  static let rest = 4
}

/// A view of a message. After the check no getter reads outside it.
package struct ICMPv4Packet: BitwiseCopyable {
  package let bytes: ByteView

  /// Nil for less than eight bytes. The checksum is a question of its own.
  package init?(checking bytes: ByteView) {
    guard bytes.count >= ICMPv4Header.encodedLength else { return nil }
    self.bytes = bytes
  }

  package var type: UInt8 { bytes[Field.type] }
  package var code: UInt8 { bytes[Field.code] }
  package var checksum: UInt16 { bytes.uint16(at: Field.checksum) }
  /// The second four bytes: identifier and sequence, or unused, or an MTU.
  package var rest: UInt32 { bytes.uint32(at: Field.rest) }
  package var echoIdentifier: UInt16 { bytes.uint16(at: Field.rest) }
  package var echoSequence: UInt16 { bytes.uint16(at: Field.rest + 2) }
  package var payload: ByteView { bytes.dropFirst(ICMPv4Header.encodedLength) }
  package var isChecksumValid: Bool { Checksum.isValid(bytes) }
}

package struct ICMPv4Header: Hashable, Sendable, BitwiseCopyable {
  package var type: UInt8
  package var code: UInt8
  package var rest: UInt32

  package static let encodedLength = 8

  package init(type: UInt8, code: UInt8 = 0, rest: UInt32 = 0) {
    self.type = type
    self.code = code
    self.rest = rest
  }

  /// An echo request or reply.
  package init(type: UInt8, identifier: UInt16, sequence: UInt16) {
    self.init(type: type, rest: UInt32(identifier) << 16 | UInt32(sequence))
  }

  package init(_ packet: ICMPv4Packet) {
    self.init(type: packet.type, code: packet.code, rest: packet.rest)
  }

  /// Writes the header and the checksum over it and `payload`, which is or will be
  /// sent behind it. Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  @discardableResult
  package func emit(into out: MutableByteView, payload: ByteView) -> Int {
    guard out.count >= ICMPv4Header.encodedLength else { return 0 }
    out.store(type, at: Field.type)
    out.store(code, at: Field.code)
    out.store(UInt16(0), at: Field.checksum)
    out.store(rest, at: Field.rest)
    var checksum = Checksum()
    checksum.add(ByteView(out.base, count: ICMPv4Header.encodedLength))
    checksum.add(payload)
    out.store(checksum.value, at: Field.checksum)
    return ICMPv4Header.encodedLength
  }
}
