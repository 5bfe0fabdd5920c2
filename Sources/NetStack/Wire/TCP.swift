// SPDX-License-Identifier: Apache-2.0
//
// The TCP header (RFC 9293 §3.1). Options are in TCPOptions.swift.

/// Offsets in the header, for those who patch a template.
package enum TCPField {
  package static let sourcePort = 0
  package static let destinationPort = 2
  package static let sequence = 4
  package static let acknowledgement = 8
  package static let dataOffset = 12
  package static let flags = 13
  package static let window = 14
  package static let checksum = 16
  package static let urgentPointer = 18
  package static let options = 20
}

/// The control bits.
package struct TCPFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
  package let rawValue: UInt8

  @inline(__always)
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let fin = TCPFlags(rawValue: 0x01)
  package static let syn = TCPFlags(rawValue: 0x02)
  package static let rst = TCPFlags(rawValue: 0x04)
  package static let psh = TCPFlags(rawValue: 0x08)
  package static let ack = TCPFlags(rawValue: 0x10)
  package static let urg = TCPFlags(rawValue: 0x20)
  package static let ece = TCPFlags(rawValue: 0x40)
  package static let cwr = TCPFlags(rawValue: 0x80)
}

/// A view of a segment. After the check no getter reads outside it.
package struct TCPPacket: BitwiseCopyable {
  package let bytes: ByteView
  /// Bytes of header with options: 20...60.
  package let headerLength: Int

  /// Nil unless the header is complete. The checksum is a question of its own.
  @inline(__always)
  package init?(checking bytes: ByteView) {
    guard bytes.count >= TCPHeader.minimumLength else { return nil }
    let headerLength = Int(bytes[TCPField.dataOffset] >> 4) &* 4
    guard headerLength >= TCPHeader.minimumLength, headerLength <= bytes.count else {
      return nil
    }
    self.bytes = bytes
    self.headerLength = headerLength
  }

  @inline(__always) package var sourcePort: UInt16 { bytes.uint16(at: TCPField.sourcePort) }
  @inline(__always)
  package var destinationPort: UInt16 { bytes.uint16(at: TCPField.destinationPort) }
  @inline(__always) package var sequence: UInt32 { bytes.uint32(at: TCPField.sequence) }
  @inline(__always)
  package var acknowledgement: UInt32 { bytes.uint32(at: TCPField.acknowledgement) }
  @inline(__always)
  package var flags: TCPFlags { TCPFlags(rawValue: bytes[TCPField.flags]) }
  /// As on the wire, not scaled.
  @inline(__always) package var window: UInt16 { bytes.uint16(at: TCPField.window) }
  @inline(__always) package var checksum: UInt16 { bytes.uint16(at: TCPField.checksum) }
  @inline(__always) package var urgentPointer: UInt16 { bytes.uint16(at: TCPField.urgentPointer) }

  @inline(__always)
  package var optionBytes: ByteView {
    bytes.slice(
      at: TCPHeader.minimumLength, count: headerLength &- TCPHeader.minimumLength)
  }
  @inline(__always) package var options: TCPOptions { TCPOptions(optionBytes) }
  @inline(__always) package var payload: ByteView { bytes.dropFirst(headerLength) }

  @inline(__always)
  package func isChecksumValid(source: IPAddress, destination: IPAddress) -> Bool {
    var sum = Checksum(
      source: source, destination: destination, protocolNumber: IPProtocol.tcp,
      length: bytes.count)
    sum.add(bytes)
    return sum.isValid
  }
}

package struct TCPHeader: Hashable, Sendable, BitwiseCopyable {
  package var sourcePort: UInt16
  package var destinationPort: UInt16
  package var sequence: UInt32
  package var acknowledgement: UInt32
  package var flags: TCPFlags
  /// As on the wire, not scaled.
  package var window: UInt16
  package var urgentPointer: UInt16
  package var options: TCPOptions

  package static let minimumLength = 20
  package static let maximumLength = 60

  @inline(__always)
  package init(
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
  package init(_ packet: TCPPacket) {
    self.init(
      sourcePort: packet.sourcePort, destinationPort: packet.destinationPort,
      sequence: packet.sequence, acknowledgement: packet.acknowledgement, flags: packet.flags,
      window: packet.window, urgentPointer: packet.urgentPointer, options: packet.options)
  }

  /// 20...60, a multiple of four.
  @inline(__always)
  package var encodedLength: Int { TCPHeader.minimumLength &+ options.encodedLength }

  /// Writes the header with a zero checksum field. Returns the bytes written:
  /// `encodedLength`, or 0 if they don't fit.
  @inline(__always) @discardableResult
  package func emit(into out: MutableByteView) -> Int {
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
  package func emit(
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
  /// field: for a frame with LND_FRAME_NEEDS_CSUM, super-frames included.
  @inline(__always) @discardableResult
  package func emitPartialChecksum(
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
