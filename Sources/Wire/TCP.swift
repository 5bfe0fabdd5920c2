// SPDX-License-Identifier: Apache-2.0
//
// The TCP header (RFC 9293 §3.1). Options are in TCPOptions.swift.

/// Offsets in the header, for code that patches a template.
public enum TCPField {
  @inlinable public static var sourcePort: Int { 0 }
  @inlinable public static var destinationPort: Int { 2 }
  @inlinable public static var sequence: Int { 4 }
  @inlinable public static var acknowledgement: Int { 8 }
  @inlinable public static var dataOffset: Int { 12 }
  @inlinable public static var flags: Int { 13 }
  @inlinable public static var window: Int { 14 }
  @inlinable public static var checksum: Int { 16 }
  @inlinable public static var urgentPointer: Int { 18 }
  @inlinable public static var options: Int { 20 }
}

/// The control bits.
public struct TCPFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt8

  @inlinable @inline(__always)
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  @inlinable public static var fin: TCPFlags { TCPFlags(rawValue: 0x01) }
  @inlinable public static var syn: TCPFlags { TCPFlags(rawValue: 0x02) }
  @inlinable public static var rst: TCPFlags { TCPFlags(rawValue: 0x04) }
  @inlinable public static var psh: TCPFlags { TCPFlags(rawValue: 0x08) }
  @inlinable public static var ack: TCPFlags { TCPFlags(rawValue: 0x10) }
  @inlinable public static var urg: TCPFlags { TCPFlags(rawValue: 0x20) }
  @inlinable public static var ece: TCPFlags { TCPFlags(rawValue: 0x40) }
  @inlinable public static var cwr: TCPFlags { TCPFlags(rawValue: 0x80) }
}

/// A view of a segment. After the check no getter reads outside it.
public struct TCPPacket: BitwiseCopyable {
  public let bytes: ByteView
  /// Bytes of header with options: 20...60.
  public let headerLength: Int

  /// Nil unless the header is complete. The checksum is not verified.
  @inlinable @inline(__always)
  public init?(checking bytes: ByteView) {
    guard bytes.count >= TCPHeader.minimumLength else { return nil }
    let headerLength = Int(bytes[TCPField.dataOffset] >> 4) &* 4
    guard headerLength >= TCPHeader.minimumLength, headerLength <= bytes.count else {
      return nil
    }
    self.bytes = bytes
    self.headerLength = headerLength
  }

  @inlinable @inline(__always) public var sourcePort: UInt16 {
    bytes.uint16(at: TCPField.sourcePort)
  }
  @inlinable @inline(__always)
  public var destinationPort: UInt16 { bytes.uint16(at: TCPField.destinationPort) }
  @inlinable @inline(__always) public var sequence: UInt32 { bytes.uint32(at: TCPField.sequence) }
  @inlinable @inline(__always)
  public var acknowledgement: UInt32 { bytes.uint32(at: TCPField.acknowledgement) }
  @inlinable @inline(__always)
  public var flags: TCPFlags { TCPFlags(rawValue: bytes[TCPField.flags]) }
  /// As on the wire, not scaled.
  @inlinable @inline(__always) public var window: UInt16 { bytes.uint16(at: TCPField.window) }
  @inlinable @inline(__always) public var checksum: UInt16 { bytes.uint16(at: TCPField.checksum) }
  @inlinable @inline(__always) public var urgentPointer: UInt16 {
    bytes.uint16(at: TCPField.urgentPointer)
  }

  @inlinable @inline(__always)
  public var optionBytes: ByteView {
    bytes.slice(
      at: TCPHeader.minimumLength, count: headerLength &- TCPHeader.minimumLength)
  }
  @inlinable @inline(__always) public var options: TCPOptions { TCPOptions(optionBytes) }
  @inlinable @inline(__always) public var payload: ByteView { bytes.dropFirst(headerLength) }

  @inlinable @inline(__always)
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

  @inlinable public static var minimumLength: Int { 20 }
  @inlinable public static var maximumLength: Int { 60 }

  @inlinable @inline(__always)
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

  @inlinable @inline(__always)
  public init(_ packet: TCPPacket) {
    self.init(
      sourcePort: packet.sourcePort, destinationPort: packet.destinationPort,
      sequence: packet.sequence, acknowledgement: packet.acknowledgement, flags: packet.flags,
      window: packet.window, urgentPointer: packet.urgentPointer, options: packet.options)
  }

  /// 20...60, a multiple of four.
  @inlinable @inline(__always)
  public var encodedLength: Int { TCPHeader.minimumLength &+ options.encodedLength }

  /// Writes the header with a zero checksum field. Returns the bytes written:
  /// `encodedLength`, or 0 if they don't fit.
  @inlinable @inline(__always) @discardableResult
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
  @inlinable @inline(__always) @discardableResult
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
  @inlinable @inline(__always) @discardableResult
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
