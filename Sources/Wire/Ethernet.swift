// SPDX-License-Identifier: Apache-2.0
//
// Ethernet II frames (RFC 894), without preamble and FCS. Of a frame with an IEEE 802.1Q tag, the
// EtherType here is the tag's (VLANTag.swift).

/// Values of the EtherType field.
public enum EtherType {
  @inlinable public static var ipv4: UInt16 { 0x0800 }
  @inlinable public static var arp: UInt16 { 0x0806 }
  @inlinable public static var ipv6: UInt16 { 0x86dd }
  /// IEEE 802.1Q: a customer's tag.
  @inlinable public static var vlan: UInt16 { 0x8100 }
  /// IEEE 802.1ad: a provider's tag.
  @inlinable public static var providerVLAN: UInt16 { 0x88a8 }
  /// Ethernet's Configuration Testing Protocol (Ethernet 2.0, section 8).
  @inlinable public static var loopback: UInt16 { 0x9000 }
  /// For experiments on the local network (IEEE 802-2014, 9.2.4).
  @inlinable public static var localExperimental: UInt16 { 0x88b5 }
  /// Smaller values are the length of an IEEE 802.3 frame (IEEE 802.3, 3.2.6).
  @inlinable public static var first: UInt16 { 0x0600 }

  /// Whether a tag of either kind follows.
  @inlinable @inline(__always)
  public static func isTag(_ type: UInt16) -> Bool { type == vlan || type == providerVLAN }
}

/// Offsets in the header.
public enum EthernetField {
  @inlinable public static var destination: Int { 0 }
  @inlinable public static var source: Int { 6 }
  @inlinable public static var etherType: Int { 12 }
}

/// A view of a frame. After the check no getter reads outside it.
public struct EthernetPacket: BitwiseCopyable {
  public let bytes: ByteView

  /// Nil for a frame without a complete header.
  @inlinable @inline(__always)
  public init?(checking bytes: ByteView) {
    guard bytes.count >= EthernetHeader.encodedLength else { return nil }
    self.bytes = bytes
  }

  @inlinable @inline(__always) public var destination: MACAddress {
    bytes.macAddress(at: EthernetField.destination)
  }
  @inlinable @inline(__always) public var source: MACAddress {
    bytes.macAddress(at: EthernetField.source)
  }
  @inlinable @inline(__always) public var etherType: UInt16 {
    bytes.uint16(at: EthernetField.etherType)
  }
  /// Both addresses in two loads. Precondition: the frame has a complete header.
  @inlinable @inline(__always)
  public static func addresses(
    _ bytes: ByteView
  ) -> (destination: MACAddress, source: MACAddress) {
    let first = bytes.uint64(at: EthernetField.destination)
    let last = bytes.uint32(at: EthernetField.source + 2)
    return (MACAddress(first >> 16), MACAddress((first & 0xffff) << 32 | UInt64(last)))
  }
  /// All bytes behind the header, padding of short frames included.
  @inlinable @inline(__always)
  public var payload: ByteView { bytes.dropFirst(EthernetHeader.encodedLength) }
}

public struct EthernetHeader: Hashable, Sendable, BitwiseCopyable {
  public var destination: MACAddress
  public var source: MACAddress
  public var etherType: UInt16

  @inlinable public static var encodedLength: Int { 14 }
  /// The shortest frame on a wire, without its check sequence (IEEE 802.3, 4A.2.3.3).
  @inlinable public static var shortestFrame: Int { 60 }

  @inlinable @inline(__always)
  public init(destination: MACAddress, source: MACAddress, etherType: UInt16) {
    self.destination = destination
    self.source = source
    self.etherType = etherType
  }

  @inlinable @inline(__always)
  public init(_ packet: EthernetPacket) {
    self.init(
      destination: packet.destination, source: packet.source, etherType: packet.etherType)
  }

  /// Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  @inlinable @inline(__always) @discardableResult
  public func emit(into out: MutableByteView) -> Int {
    guard out.count >= EthernetHeader.encodedLength else { return 0 }
    out.store(destination, at: EthernetField.destination)
    out.store(source, at: EthernetField.source)
    out.store(etherType, at: EthernetField.etherType)
    return EthernetHeader.encodedLength
  }
}
