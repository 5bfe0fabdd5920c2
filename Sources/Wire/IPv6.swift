// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 header and the walk over its extension headers (RFC 8200 §3, §4).
// No jumbograms (RFC 2675).

/// Offsets in the header.
public enum IPv6Field {
  @inlinable public static var version: Int { 0 }
  @inlinable public static var payloadLength: Int { 4 }
  @inlinable public static var nextHeader: Int { 6 }
  @inlinable public static var hopLimit: Int { 7 }
  @inlinable public static var source: Int { 8 }
  @inlinable public static var destination: Int { 24 }
}

/// Offsets in an extension header (RFC 8200 §4).
public enum IPv6ExtensionField {
  @inlinable public static var nextHeader: Int { 0 }
  /// In units of eight bytes beyond the first eight; the authentication header's in units of four beyond the
  /// first eight (RFC 4302 §2.2).
  @inlinable public static var length: Int { 1 }
  /// Of a fragment header (§4.5): offset in units of eight bytes in the upper 13 bits, and the M flag.
  @inlinable public static var fragment: Int { 2 }
  @inlinable public static var identification: Int { 4 }
  /// Of a routing header (§4.4).
  @inlinable public static var routingType: Int { 2 }
  @inlinable public static var segmentsLeft: Int { 3 }
  /// Bytes of the shortest, and of a fragment header.
  @inlinable public static var minimumLength: Int { 8 }
  @inlinable public static var fragmentOffsetMask: UInt16 { 0xfff8 }
}

/// A view of an IPv6 packet. After the check no getter reads outside it.
public struct IPv6Packet: BitwiseCopyable {
  /// The packet, cut to its payload length.
  public let bytes: ByteView

  /// Nil unless header and payload are complete, and for IPv4-mapped addresses, which must not occur in packets and
  /// would be taken for IPv4 here.
  @inlinable @inline(__always)
  public init?(checking bytes: ByteView) {
    guard bytes.count >= IPv6Header.encodedLength, bytes[IPv6Field.version] >> 4 == 6 else {
      return nil
    }
    let length = Int(bytes.uint16(at: IPv6Field.payloadLength)) &+ IPv6Header.encodedLength
    guard length <= bytes.count,
      !bytes.ipv6Address(at: IPv6Field.source).isV4,
      !bytes.ipv6Address(at: IPv6Field.destination).isV4
    else { return nil }
    self.bytes = ByteView(bytes.base, count: length)
  }

  @inlinable @inline(__always)
  public var trafficClass: UInt8 {
    UInt8(truncatingIfNeeded: bytes.uint16(at: IPv6Field.version) >> 4)
  }
  @inlinable @inline(__always)
  public var flowLabel: UInt32 { bytes.uint32(at: IPv6Field.version) & 0xf_ffff }
  @inlinable @inline(__always) public var nextHeader: UInt8 { bytes[IPv6Field.nextHeader] }
  @inlinable @inline(__always) public var hopLimit: UInt8 { bytes[IPv6Field.hopLimit] }
  @inlinable @inline(__always) public var source: IPAddress {
    bytes.ipv6Address(at: IPv6Field.source)
  }
  @inlinable @inline(__always) public var destination: IPAddress {
    bytes.ipv6Address(at: IPv6Field.destination)
  }
  /// All behind the header, extension headers included.
  @inlinable @inline(__always)
  public var payload: ByteView { bytes.dropFirst(IPv6Header.encodedLength) }

  /// The transport header behind the extension headers; nil if the chain is cut off, too long, or has a hop-by-hop
  /// header that is not the first.
  public var upperLayer: IPv6UpperLayer? {
    var layer = IPv6UpperLayer(
      protocolNumber: nextHeader, offset: IPv6Header.encodedLength, fragment: nil)
    for index in 0..<IPv6Packet.maxExtensions {
      let rest = bytes.dropFirst(layer.offset)
      let length: Int
      switch layer.protocolNumber {
      case IPProtocol.hopByHop where index > 0:
        return nil
      case IPProtocol.hopByHop, IPProtocol.routing, IPProtocol.destinationOptions:
        guard rest.count >= IPv6ExtensionField.minimumLength else { return nil }
        length = (Int(rest[IPv6ExtensionField.length]) &+ 1) &* 8
      case IPProtocol.authentication:
        guard rest.count >= IPv6ExtensionField.minimumLength else { return nil }
        length = (Int(rest[IPv6ExtensionField.length]) &+ 2) &* 4
      case IPProtocol.fragment:
        guard rest.count >= IPv6ExtensionField.minimumLength, layer.fragment == nil else {
          return nil
        }
        length = IPv6ExtensionField.minimumLength
        layer.fragment = IPv6Fragment(
          offset: Int(
            rest.uint16(at: IPv6ExtensionField.fragment) & IPv6ExtensionField.fragmentOffsetMask),
          moreFragments: rest[3] & 1 != 0,
          identification: rest.uint32(at: IPv6ExtensionField.identification))
      default:
        return layer
      }
      guard length <= rest.count else { return nil }
      layer.protocolNumber = rest[IPv6ExtensionField.nextHeader]
      layer.offset &+= length
      // A later fragment continues the payload; no header begins there.
      if let fragment = layer.fragment, fragment.offset > 0 { return layer }
    }
    return nil
  }

  private static let maxExtensions = 8
}

/// Where the chain of headers ends.
public struct IPv6UpperLayer: Hashable, Sendable, BitwiseCopyable {
  /// TCP, UDP, ICMPv6, `IPProtocol.noNextHeader`, or an unknown number.
  public var protocolNumber: UInt8
  /// Bytes from the start of the packet; at most the packet's length.
  public var offset: Int
  public var fragment: IPv6Fragment?
}

/// The fragment header (RFC 8200 §4.5).
public struct IPv6Fragment: Hashable, Sendable, BitwiseCopyable {
  /// In bytes, a multiple of 8.
  public var offset: Int
  public var moreFragments: Bool
  public var identification: UInt32

  public init(offset: Int, moreFragments: Bool, identification: UInt32) {
    self.offset = offset
    self.moreFragments = moreFragments
    self.identification = identification
  }

  /// Writes the header's eight bytes; there must be room.
  /// - Parameter nextHeader: what the payload of the whole packet begins with.
  public func emit(nextHeader: UInt8, into out: MutableByteView) {
    out.store(nextHeader, at: IPv6ExtensionField.nextHeader)
    out.store(UInt8(0), at: IPv6ExtensionField.length)
    out.store(
      UInt16(truncatingIfNeeded: offset) & IPv6ExtensionField.fragmentOffsetMask
        | (moreFragments ? 1 : 0), at: IPv6ExtensionField.fragment)
    out.store(identification, at: IPv6ExtensionField.identification)
  }
}

public struct IPv6Header: Hashable, Sendable, BitwiseCopyable {
  public var source: IPAddress
  public var destination: IPAddress
  public var nextHeader: UInt8
  /// Bytes behind this header: 0...65535.
  public var payloadLength: Int
  public var hopLimit: UInt8
  public var trafficClass: UInt8
  /// 20 bits.
  public var flowLabel: UInt32

  @inlinable public static var encodedLength: Int { 40 }
  /// The minimum link MTU (RFC 8200 §5), bytes.
  @inlinable public static var leastMTU: Int { 1280 }
  @inlinable public static var maxPayloadLength: Int { 0xffff }

  @inlinable @inline(__always)
  public init(
    source: IPAddress, destination: IPAddress, nextHeader: UInt8, payloadLength: Int,
    hopLimit: UInt8 = 64, trafficClass: UInt8 = 0, flowLabel: UInt32 = 0
  ) {
    self.source = source
    self.destination = destination
    self.nextHeader = nextHeader
    self.payloadLength = payloadLength
    self.hopLimit = hopLimit
    self.trafficClass = trafficClass
    self.flowLabel = flowLabel
  }

  @inlinable @inline(__always)
  public init(_ packet: IPv6Packet) {
    self.init(
      source: packet.source, destination: packet.destination, nextHeader: packet.nextHeader,
      payloadLength: packet.payload.count, hopLimit: packet.hopLimit,
      trafficClass: packet.trafficClass, flowLabel: packet.flowLabel)
  }

  /// Returns the bytes written: `encodedLength`, or 0 if they don't fit or the payload is too long for the length
  /// field.
  @inlinable @inline(__always) @discardableResult
  public func emit(into out: MutableByteView) -> Int {
    guard out.count >= IPv6Header.encodedLength, payloadLength >= 0, payloadLength <= 0xffff
    else { return 0 }
    out.store(
      UInt32(6) << 28 | UInt32(trafficClass) << 20 | flowLabel & 0xf_ffff, at: IPv6Field.version)
    out.store(UInt16(truncatingIfNeeded: payloadLength), at: IPv6Field.payloadLength)
    out.store(nextHeader, at: IPv6Field.nextHeader)
    out.store(hopLimit, at: IPv6Field.hopLimit)
    out.storeV6(source, at: IPv6Field.source)
    out.storeV6(destination, at: IPv6Field.destination)
    return IPv6Header.encodedLength
  }
}
