// SPDX-License-Identifier: Apache-2.0
//
// The TCP header (RFC 9293 §3.1). Options are in TCPOptions.swift.

/// Offsets in the header, for those who patch a template.
public enum TCPField {
  public static let sourcePort = 0
  public static let destinationPort = 2
  public static let sequence = 4
  public static let acknowledgement = 8
  public static let dataOffset = 12
  public static let flags = 13
  public static let window = 14
  public static let checksum = 16
  public static let urgentPointer = 18
  public static let options = 20
}

/// The control bits.
public struct TCPFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt8

  @inline(__always)
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let fin = TCPFlags(rawValue: 0x01)
  public static let syn = TCPFlags(rawValue: 0x02)
  public static let rst = TCPFlags(rawValue: 0x04)
  public static let psh = TCPFlags(rawValue: 0x08)
  public static let ack = TCPFlags(rawValue: 0x10)
  public static let urg = TCPFlags(rawValue: 0x20)
  public static let ece = TCPFlags(rawValue: 0x40)
  public static let cwr = TCPFlags(rawValue: 0x80)
}

/// A view of a segment. After the check no getter reads outside it.
public struct TCPPacket: BitwiseCopyable {
  public let bytes: ByteView
  /// Bytes of header with options: 20...60.
  public let headerLength: Int

  /// Nil unless the header is complete. The checksum is a question of its own.
  @inline(__always)
  public init?(checking bytes: ByteView) {
    guard bytes.count >= TCPHeader.minimumLength else { return nil }
    let headerLength = Int(bytes[TCPField.dataOffset] >> 4) &* 4
    guard headerLength >= TCPHeader.minimumLength, headerLength <= bytes.count else {
      return nil
    }
    self.bytes = bytes
    self.headerLength = headerLength
  }

  @inline(__always) public var sourcePort: UInt16 { bytes.uint16(at: TCPField.sourcePort) }
  @inline(__always)
  public var destinationPort: UInt16 { bytes.uint16(at: TCPField.destinationPort) }
  @inline(__always) public var sequence: UInt32 { bytes.uint32(at: TCPField.sequence) }
  @inline(__always)
  public var acknowledgement: UInt32 { bytes.uint32(at: TCPField.acknowledgement) }
  @inline(__always)
  public var flags: TCPFlags { TCPFlags(rawValue: bytes[TCPField.flags]) }
  /// As on the wire, not scaled.
  @inline(__always) public var window: UInt16 { bytes.uint16(at: TCPField.window) }
  @inline(__always) public var checksum: UInt16 { bytes.uint16(at: TCPField.checksum) }
  @inline(__always) public var urgentPointer: UInt16 { bytes.uint16(at: TCPField.urgentPointer) }

  @inline(__always)
  public var optionBytes: ByteView {
    bytes.slice(
      at: TCPHeader.minimumLength, count: headerLength &- TCPHeader.minimumLength)
  }
  @inline(__always) public var options: TCPOptions { TCPOptions(optionBytes) }
  @inline(__always) public var payload: ByteView { bytes.dropFirst(headerLength) }

  @inline(__always)
  public func isChecksumValid(source: IPAddress, destination: IPAddress) -> Bool {
    var sum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.tcp,
      length: bytes.count)
    sum.add(bytes)
    return sum.isValid
  }
}

public struct TCPHeader: Hashable, Sendable, BitwiseCopyable {
  public var sourcePort: UInt16
  public var destinationPort: UInt16
  public var sequence: UInt32
  public var acknowledgement: UInt32
  public var flags: TCPFlags
  /// As on the wire, not scaled.
  public var window: UInt16
  public var urgentPointer: UInt16
  public var options: TCPOptions

  public static let minimumLength = 20
  public static let maximumLength = 60

  @inline(__always)
  public init(
    sourcePort: UInt16, destinationPort: UInt16, sequence: UInt32, acknowledgement: UInt32,
    flags: TCPFlags, window: UInt16, urgentPointer: UInt16 = 0,
    options: TCPOptions = TCPOptions()
  ) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.sequence = sequence
    self.acknowledgement = acknowledgement
    self.flags = flags
    self.window = window
    self.urgentPointer = urgentPointer
    self.options = options
  }

  @inline(__always)
  public init(_ packet: TCPPacket) {
    self.init(
      sourcePort: packet.sourcePort, destinationPort: packet.destinationPort,
      sequence: packet.sequence, acknowledgement: packet.acknowledgement, flags: packet.flags,
      window: packet.window, urgentPointer: packet.urgentPointer, options: packet.options)
  }

  /// 20...60, a multiple of four.
  @inline(__always)
  public var encodedLength: Int { TCPHeader.minimumLength &+ options.encodedLength }

  /// Writes the header with a zero checksum field. Returns the bytes written:
  /// `encodedLength`, or 0 if they don't fit.
  @inline(__always) @discardableResult
  public func emit(into out: MutableByteView) -> Int {
    let length = encodedLength
    guard out.count >= length else { return 0 }
    out.store(sourcePort, at: TCPField.sourcePort)
    out.store(destinationPort, at: TCPField.destinationPort)
    out.store(sequence, at: TCPField.sequence)
    out.store(acknowledgement, at: TCPField.acknowledgement)
    out.store(UInt8(truncatingIfNeeded: length &<< 2), at: TCPField.dataOffset)
    out.store(flags.rawValue, at: TCPField.flags)
    out.store(window, at: TCPField.window)
    out.store(UInt16(0), at: TCPField.checksum)
    out.store(urgentPointer, at: TCPField.urgentPointer)
    if length > TCPHeader.minimumLength { options.emit(into: out.dropFirst(TCPField.options)) }
    return length
  }

  /// Writes the header with the checksum over pseudo header, header and `payload`,
  /// which is or will be sent behind it.
  @inline(__always) @discardableResult
  public func emit(
    into out: MutableByteView, payload: ByteView, source: IPAddress, destination: IPAddress
  ) -> Int {
    let length = emit(into: out)
    guard length != 0 else { return 0 }
    var sum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.tcp,
      length: length &+ payload.count)
    sum.add(ByteView(out.base, count: length))
    sum.add(payload)
    out.store(sum.value, at: TCPField.checksum)
    return length
  }

  /// Writes the header with the folded sum of the pseudo header in the checksum
  /// field: for a frame whose checksum the link completes, GSO frames included.
  @inline(__always) @discardableResult
  public func emitPartialChecksum(
    into out: MutableByteView, payloadLength: Int, source: IPAddress, destination: IPAddress
  ) -> Int {
    let length = emit(into: out)
    guard length != 0 else { return 0 }
    let sum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.tcp,
      length: length &+ payloadLength)
    out.store(sum.folded, at: TCPField.checksum)
    return length
  }
}
