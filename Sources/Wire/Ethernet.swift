// SPDX-License-Identifier: Apache-2.0
//
// Ethernet II frames (RFC 894), without preamble and FCS. Of a frame with an IEEE 802.1Q tag, the
// EtherType here is the tag's (VLANTag.swift).

/// Values of the EtherType field.
public enum EtherType {
  public static let ipv4: UInt16 = 0x0800
  public static let arp: UInt16 = 0x0806
  public static let ipv6: UInt16 = 0x86dd
  /// IEEE 802.1Q: a customer's tag.
  public static let vlan: UInt16 = 0x8100
  /// IEEE 802.1ad: a provider's tag.
  public static let providerVLAN: UInt16 = 0x88a8
  /// Ethernet's Configuration Testing Protocol (Ethernet 2.0, section 8).
  public static let loopback: UInt16 = 0x9000
  /// For experiments on the local network (IEEE 802-2014, 9.2.4).
  public static let localExperimental: UInt16 = 0x88b5
  /// Smaller values are the length of an IEEE 802.3 frame (IEEE 802.3, 3.2.6).
  public static let first: UInt16 = 0x0600

  /// Whether a tag of either kind follows.
  @inline(__always)
  public static func isTag(_ type: UInt16) -> Bool { type == vlan || type == providerVLAN }
}

/// Offsets in the header.
public enum EthernetField {
  public static let destination = 0
  public static let source = 6
  public static let etherType = 12
}

/// A view of a frame. After the check no getter reads outside it.
public struct EthernetPacket: BitwiseCopyable {
  public let bytes: ByteView

  /// Nil for a frame without a complete header.
  @inline(__always)
  public init?(checking bytes: ByteView) {
    guard bytes.count >= EthernetHeader.encodedLength else { return nil }
    self.bytes = bytes
  }

  @inline(__always) public var destination: MACAddress {
    bytes.macAddress(at: EthernetField.destination)
  }
  @inline(__always) public var source: MACAddress { bytes.macAddress(at: EthernetField.source) }
  @inline(__always) public var etherType: UInt16 { bytes.uint16(at: EthernetField.etherType) }
  /// Both addresses in two loads, for those who look at every frame of at least a header's length.
  @inline(__always)
  public static func addresses(
    _ bytes: ByteView
  ) -> (destination: MACAddress, source: MACAddress) {
    let first = bytes.uint64(at: EthernetField.destination)
    let last = bytes.uint32(at: EthernetField.source + 2)
    return (MACAddress(first >> 16), MACAddress((first & 0xffff) << 32 | UInt64(last)))
  }
  /// All behind the header, padding of short frames included.
  @inline(__always)
  public var payload: ByteView { bytes.dropFirst(EthernetHeader.encodedLength) }
}

public struct EthernetHeader: Hashable, Sendable, BitwiseCopyable {
  public var destination: MACAddress
  public var source: MACAddress
  public var etherType: UInt16

  public static let encodedLength = 14
  /// The shortest frame on a wire, without its check sequence (IEEE 802.3, 4A.2.3.3).
  public static let shortestFrame = 60

  @inline(__always)
  public init(destination: MACAddress, source: MACAddress, etherType: UInt16) {
    self.destination = destination
    self.source = source
    self.etherType = etherType
  }

  @inline(__always)
  public init(_ packet: EthernetPacket) {
    self.init(
      destination: packet.destination, source: packet.source, etherType: packet.etherType)
  }

  /// Returns the bytes written: `encodedLength`, or 0 if they don't fit.
  @inline(__always) @discardableResult
  public func emit(into out: MutableByteView) -> Int {
    guard out.count >= EthernetHeader.encodedLength else { return 0 }
    out.store(destination, at: EthernetField.destination)
    out.store(source, at: EthernetField.source)
    out.store(etherType, at: EthernetField.etherType)
    return EthernetHeader.encodedLength
  }
}
