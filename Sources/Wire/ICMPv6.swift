// SPDX-License-Identifier: Apache-2.0
//
// ICMPv6 (RFC 4443): its messages. The header is ICMPMessage.swift.

/// Message types of RFC 4443, RFC 4861 and RFC 3810.
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
  @inlinable public static var redirect: UInt8 { 137 }
  /// Multicast listener discovery (RFC 2710, RFC 3810).
  @inlinable public static var listenerQuery: UInt8 { 130 }
  @inlinable public static var listenerReport: UInt8 { 131 }
  @inlinable public static var listenerDone: UInt8 { 132 }
  @inlinable public static var listenerReportV2: UInt8 { 143 }

  /// Whether a message is an error (RFC 4443 §2.1).
  public static func isError(_ type: UInt8) -> Bool { type < 128 }
}

/// Codes of destination unreachable (RFC 4443 §3.1).
public enum ICMPv6Unreachable {
  @inlinable public static var noRoute: UInt8 { 0 }
  @inlinable public static var prohibited: UInt8 { 1 }
  @inlinable public static var beyondScope: UInt8 { 2 }
  @inlinable public static var address: UInt8 { 3 }
  @inlinable public static var port: UInt8 { 4 }
  @inlinable public static var policy: UInt8 { 5 }
  @inlinable public static var rejectRoute: UInt8 { 6 }
}

/// Codes of time exceeded (RFC 4443 §3.3).
public enum ICMPv6TimeExceeded {
  @inlinable public static var hopLimit: UInt8 { 0 }
  @inlinable public static var reassembly: UInt8 { 1 }
}

/// Codes of parameter problem (RFC 4443 §3.4, RFC 7112 §5, RFC 8883 §2).
public enum ICMPv6ParameterProblem {
  @inlinable public static var field: UInt8 { 0 }
  @inlinable public static var nextHeader: UInt8 { 1 }
  @inlinable public static var option: UInt8 { 2 }
  @inlinable public static var incompleteChain: UInt8 { 3 }
  @inlinable public static var tooManyHeaders: UInt8 { 8 }
  @inlinable public static var tooManyOptions: UInt8 { 9 }
}

/// A view of a message.
public struct ICMPv6Packet: ICMPMessage {
  public let bytes: ByteView

  /// Nil for less than eight bytes. The checksum is not verified.
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
