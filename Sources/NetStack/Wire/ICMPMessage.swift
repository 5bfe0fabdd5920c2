// SPDX-License-Identifier: Apache-2.0
//
// The eight bytes that ICMP (RFC 792) and ICMPv6 (RFC 4443) share: type, code, checksum, and
// four more. What follows them is the payload: echo data, or the start of the packet
// that an error is about.

private enum Field {
  static let type = 0
  static let code = 1
  static let checksum = 2
  static let rest = 4
}

/// A view of a message of either family.
package protocol ICMPMessage: BitwiseCopyable {
  var bytes: ByteView { get }
}

/// After the check of `init?(checking:)` no getter reads outside `bytes`.
extension ICMPMessage {
  package var type: UInt8 { bytes[Field.type] }
  package var code: UInt8 { bytes[Field.code] }
  package var checksum: UInt16 { bytes.uint16(at: Field.checksum) }
  /// The second four bytes: identifier and sequence, or unused, or an MTU.
  package var rest: UInt32 { bytes.uint32(at: Field.rest) }
  package var echoIdentifier: UInt16 { bytes.uint16(at: Field.rest) }
  package var echoSequence: UInt16 { bytes.uint16(at: Field.rest + 2) }
  package var payload: ByteView { bytes.dropFirst(ICMPHeader.encodedLength) }
}

/// The first eight bytes of a message of either family.
package struct ICMPHeader: Hashable, Sendable, BitwiseCopyable {
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

  package init(_ message: some ICMPMessage) {
    self.init(type: message.type, code: message.code, rest: message.rest)
  }

  /// Writes the header and the checksum over `sum`, it and `payload`, which is or will be sent
  /// behind it. Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  /// - Parameter sum: of the pseudo header; of nothing for IPv4.
  func emit(into out: MutableByteView, payload: ByteView, over sum: Checksum) -> Int {
    guard out.count >= ICMPHeader.encodedLength else { return 0 }
    out.store(type, at: Field.type)
    out.store(code, at: Field.code)
    out.store(UInt16(0), at: Field.checksum)
    out.store(rest, at: Field.rest)
    var sum = sum
    sum.add(ByteView(out.base, count: ICMPHeader.encodedLength))
    sum.add(payload)
    out.store(sum.value, at: Field.checksum)
    return ICMPHeader.encodedLength
  }

  /// Writes an ICMP header; see `emit(into:payload:over:)`.
  @discardableResult
  package func emit(into out: MutableByteView, payload: ByteView) -> Int {
    emit(into: out, payload: payload, over: Checksum())
  }

  /// Writes an ICMPv6 header, whose checksum has a pseudo header (RFC 4443 §2.3).
  @discardableResult
  package func emit(
    into out: MutableByteView, payload: ByteView, source: IPAddress, destination: IPAddress
  ) -> Int {
    emit(
      into: out, payload: payload,
      over: Checksum(
        source: source, destination: destination, protocolNumber: IPProtocol.icmpV6,
        length: ICMPHeader.encodedLength &+ payload.count))
  }
}
