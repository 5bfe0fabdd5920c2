// SPDX-License-Identifier: Apache-2.0
//
// Ethernet II frames (RFC 894), without preamble and FCS. A frame with an 802.1Q
// tag shows the tag's own EtherType and is nobody's business here.

/// Values of the EtherType field.
package enum EtherType {
  package static let ipv4: UInt16 = 0x0800
  package static let arp: UInt16 = 0x0806
  package static let ipv6: UInt16 = 0x86dd
}

private enum Field {
  static let destination = 0
  static let source = 6
  static let etherType = 12
}

/// A view of a frame. After the check no getter reads outside it.
package struct EthernetPacket: BitwiseCopyable {
  package let bytes: ByteView

  /// Nil for a frame without a complete header.
  @inline(__always)
  package init?(checking bytes: ByteView) {
    guard bytes.count >= EthernetHeader.encodedLength else { return nil }
    self.bytes = bytes
  }

  @inline(__always) package var destination: MACAddress { bytes.macAddress(at: Field.destination) }
  @inline(__always) package var source: MACAddress { bytes.macAddress(at: Field.source) }
  @inline(__always) package var etherType: UInt16 { bytes.uint16(at: Field.etherType) }
  /// All behind the header, padding of short frames included.
  @inline(__always)
  package var payload: ByteView { bytes.dropFirst(EthernetHeader.encodedLength) }
}

package struct EthernetHeader: Hashable, Sendable, BitwiseCopyable {
  package var destination: MACAddress
  package var source: MACAddress
  package var etherType: UInt16

  package static let encodedLength = 14

  @inline(__always)
  package init(destination: MACAddress, source: MACAddress, etherType: UInt16) {
    self.destination = destination
    self.source = source
    self.etherType = etherType
  }

  @inline(__always)
  package init(_ packet: EthernetPacket) {
    self.init(
      destination: packet.destination, source: packet.source, etherType: packet.etherType)
  }

  /// Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  @inline(__always) @discardableResult
  package func emit(into out: MutableByteView) -> Int {
    guard out.count >= EthernetHeader.encodedLength else { return 0 }
    out.store(destination, at: Field.destination)
    out.store(source, at: Field.source)
    out.store(etherType, at: Field.etherType)
    return EthernetHeader.encodedLength
  }
}
