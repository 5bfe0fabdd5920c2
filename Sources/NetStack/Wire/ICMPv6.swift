// SPDX-License-Identifier: Apache-2.0
//
// ICMPv6 (RFC 4443): the common eight bytes, under a checksum with a pseudo header.

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

private enum Field {
  static let type = 0
  static let code = 1
  static let checksum = 2
  static let rest = 4
}

/// A view of a message. After the check no getter reads outside it.
package struct ICMPv6Packet: BitwiseCopyable {
  package let bytes: ByteView

  /// Nil for less than eight bytes. The checksum is a question of its own.
  package init?(checking bytes: ByteView) {
    guard bytes.count >= ICMPv6Header.encodedLength else { return nil }
    self.bytes = bytes
  }

  package var type: UInt8 { bytes[Field.type] }
  package var code: UInt8 { bytes[Field.code] }
  package var checksum: UInt16 { bytes.uint16(at: Field.checksum) }
  package var rest: UInt32 { bytes.uint32(at: Field.rest) }
  package var echoIdentifier: UInt16 { bytes.uint16(at: Field.rest) }
  package var echoSequence: UInt16 { bytes.uint16(at: Field.rest + 2) }
  package var payload: ByteView { bytes.dropFirst(ICMPv6Header.encodedLength) }

  package func isChecksumValid(source: IPAddress, destination: IPAddress) -> Bool {
    var checksum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.icmpV6,
      length: bytes.count)
    checksum.add(bytes)
    return checksum.isValid
  }
}

package struct ICMPv6Header: Hashable, Sendable, BitwiseCopyable {
  package var type: UInt8
  package var code: UInt8
  package var rest: UInt32

  package static let encodedLength = 8

  package init(type: UInt8, code: UInt8 = 0, rest: UInt32 = 0) {
    self.type = type
    self.code = code
    self.rest = rest
  }

  package init(_ packet: ICMPv6Packet) {
    self.init(type: packet.type, code: packet.code, rest: packet.rest)
  }

  /// Writes the header and the checksum over the pseudo header, it and `payload`.
  /// Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  @discardableResult
  package func emit(
    into out: MutableByteView, payload: ByteView, source: IPAddress, destination: IPAddress
  ) -> Int {
    guard out.count >= ICMPv6Header.encodedLength else { return 0 }
    out.store(type, at: Field.type)
    out.store(code, at: Field.code)
    out.store(UInt16(0), at: Field.checksum)
    out.store(rest, at: Field.rest)
    var checksum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.icmpV6,
      length: ICMPv6Header.encodedLength &+ payload.count)
    checksum.add(ByteView(out.base, count: ICMPv6Header.encodedLength))
    checksum.add(payload)
    out.store(checksum.value, at: Field.checksum)
    return ICMPv6Header.encodedLength
  }
}
