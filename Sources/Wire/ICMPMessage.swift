// SPDX-License-Identifier: Apache-2.0
//
// The eight bytes that ICMP (RFC 792) and ICMPv6 (RFC 4443) share: type, code, checksum, and
// four more. What follows them is the payload: echo data, or the start of the packet
// that an error is about.

/// Offsets in the header.
public enum ICMPField {
  public static let type = 0
  public static let code = 1
  public static let checksum = 2
  public static let rest = 4
}

/// A view of a message of either family.
public protocol ICMPMessage: BitwiseCopyable {
  var bytes: ByteView { get }
}

/// After the check of `init?(checking:)` no getter reads outside `bytes`.
extension ICMPMessage {
  public var type: UInt8 { bytes[ICMPField.type] }
  public var code: UInt8 { bytes[ICMPField.code] }
  public var checksum: UInt16 { bytes.uint16(at: ICMPField.checksum) }
  /// The second four bytes: identifier and sequence, or unused, or an MTU.
  public var rest: UInt32 { bytes.uint32(at: ICMPField.rest) }
  public var echoIdentifier: UInt16 { bytes.uint16(at: ICMPField.rest) }
  public var echoSequence: UInt16 { bytes.uint16(at: ICMPField.rest + 2) }
  public var payload: ByteView { bytes.dropFirst(ICMPHeader.encodedLength) }
}

/// The first eight bytes of a message of either family.
public struct ICMPHeader: Hashable, Sendable, BitwiseCopyable {
  public var type: UInt8
  public var code: UInt8
  public var rest: UInt32

  public static let encodedLength = 8

  public init(type: UInt8, code: UInt8 = 0, rest: UInt32 = 0) {
    self.type = type
    self.code = code
    self.rest = rest
  }

  /// An echo request or reply.
  public init(type: UInt8, identifier: UInt16, sequence: UInt16) {
    self.init(type: type, rest: UInt32(identifier) << 16 | UInt32(sequence))
  }

  public init(_ message: some ICMPMessage) {
    self.init(type: message.type, code: message.code, rest: message.rest)
  }

  /// Writes the header and the checksum over `sum`, it and `payload`, which is or will be sent
  /// behind it. Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  /// - Parameter sum: of the pseudo header; of nothing for IPv4.
  func emit(into out: MutableByteView, payload: ByteView, over sum: Checksum) -> Int {
    guard out.count >= ICMPHeader.encodedLength else { return 0 }
    out.store(type, at: ICMPField.type)
    out.store(code, at: ICMPField.code)
    out.store(UInt16(0), at: ICMPField.checksum)
    out.store(rest, at: ICMPField.rest)
    var sum = sum
    sum.add(ByteView(out.base, count: ICMPHeader.encodedLength))
    sum.add(payload)
    out.store(sum.value, at: ICMPField.checksum)
    return ICMPHeader.encodedLength
  }

  /// Writes an ICMP header; see `emit(into:payload:over:)`.
  @discardableResult
  public func emit(into out: MutableByteView, payload: ByteView) -> Int {
    emit(into: out, payload: payload, over: Checksum())
  }

  /// Writes an ICMPv6 header, whose checksum has a pseudo header (RFC 4443 §2.3).
  @discardableResult
  public func emit(
    into out: MutableByteView, payload: ByteView, source: IPAddress, destination: IPAddress
  ) -> Int {
    emit(
      into: out, payload: payload,
      over: Checksum(
        source: source, destination: destination, protocolNumber: IPProtocol.icmpV6,
        length: ICMPHeader.encodedLength &+ payload.count))
  }
}
