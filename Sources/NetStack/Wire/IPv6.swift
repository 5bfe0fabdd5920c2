// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 header and the walk over its extension headers (RFC 8200 §3, §4).
// No jumbograms (RFC 2675).

private enum Field {
  static let version = 0
  static let payloadLength = 4
  static let nextHeader = 6
  static let hopLimit = 7
  static let source = 8
  static let destination = 24
}

/// A view of an IPv6 packet. After the check no getter reads outside it.
package struct IPv6Packet: BitwiseCopyable {
  /// The packet, cut to its payload length.
  package let bytes: ByteView

  /// Nil unless header and payload are complete, and for IPv4-mapped addresses,
  /// which are no addresses of packets and would be taken for IPv4 here.
  @inline(__always)
  package init?(checking bytes: ByteView) {
    guard bytes.count >= IPv6Header.encodedLength, bytes[Field.version] >> 4 == 6 else {
      return nil
    }
    let length = Int(bytes.uint16(at: Field.payloadLength)) &+ IPv6Header.encodedLength
    guard length <= bytes.count,
      !bytes.ipv6Address(at: Field.source).isV4, !bytes.ipv6Address(at: Field.destination).isV4
    else { return nil }
    self.bytes = ByteView(bytes.base, count: length)
  }

  @inline(__always)
  package var trafficClass: UInt8 {
    UInt8(truncatingIfNeeded: bytes.uint16(at: Field.version) >> 4)
  }
  @inline(__always)
  package var flowLabel: UInt32 { bytes.uint32(at: Field.version) & 0xf_ffff }
  @inline(__always) package var nextHeader: UInt8 { bytes[Field.nextHeader] }
  @inline(__always) package var hopLimit: UInt8 { bytes[Field.hopLimit] }
  @inline(__always) package var source: IPAddress { bytes.ipv6Address(at: Field.source) }
  @inline(__always) package var destination: IPAddress { bytes.ipv6Address(at: Field.destination) }
  /// All behind the header, extension headers included.
  @inline(__always)
  package var payload: ByteView { bytes.dropFirst(IPv6Header.encodedLength) }

  /// The transport header behind the extension headers; nil if the chain is cut off,
  /// longer than a sender has reason for, or has a hop-by-hop header not in the first place.
  package var upperLayer: IPv6UpperLayer? {
    var layer = IPv6UpperLayer(
      protocolNumber: nextHeader, offset: IPv6Header.encodedLength, fragment: nil)
    for index in 0..<IPv6Packet.maxExtensions {
      let rest = bytes.dropFirst(layer.offset)
      let length: Int
      switch layer.protocolNumber {
      case IPProtocol.hopByHop where index > 0:
        return nil
      case IPProtocol.hopByHop, IPProtocol.routing, IPProtocol.destinationOptions:
        guard rest.count >= 8 else { return nil }
        length = (Int(rest[1]) &+ 1) &* 8
      case IPProtocol.authentication:
        guard rest.count >= 8 else { return nil }
        length = (Int(rest[1]) &+ 2) &* 4
      case IPProtocol.fragment:
        guard rest.count >= 8, layer.fragment == nil else { return nil }
        length = 8
        layer.fragment = IPv6Fragment(
          offset: Int(rest.uint16(at: 2) & 0xfff8), moreFragments: rest[3] & 1 != 0,
          identification: rest.uint32(at: 4))
      default:
        return layer
      }
      guard length <= rest.count else { return nil }
      layer.protocolNumber = rest[0]
      layer.offset &+= length
      // What follows in a later fragment is the middle of something, not a header.
      if let fragment = layer.fragment, fragment.offset > 0 { return layer }
    }
    return nil
  }

  private static let maxExtensions = 8
}

/// Where the chain of headers ends.
package struct IPv6UpperLayer: Hashable, Sendable, BitwiseCopyable {
  /// TCP, UDP, ICMPv6, `IPProtocol.noNextHeader`, or what we don't know.
  package var protocolNumber: UInt8
  /// Bytes from the start of the packet; at most the packet's length.
  package var offset: Int
  package var fragment: IPv6Fragment?
}

/// The fragment header (RFC 8200 §4.5).
package struct IPv6Fragment: Hashable, Sendable, BitwiseCopyable {
  /// In bytes, a multiple of 8.
  package var offset: Int
  package var moreFragments: Bool
  package var identification: UInt32
}

package struct IPv6Header: Hashable, Sendable, BitwiseCopyable {
  package var source: IPAddress
  package var destination: IPAddress
  package var nextHeader: UInt8
  /// Bytes behind this header: 0...65535.
  package var payloadLength: Int
  package var hopLimit: UInt8
  package var trafficClass: UInt8
  /// 20 bits.
  package var flowLabel: UInt32

  package static let encodedLength = 40

  @inline(__always)
  package init(
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

  @inline(__always)
  package init(_ packet: IPv6Packet) {
    self.init(
      source: packet.source, destination: packet.destination, nextHeader: packet.nextHeader,
      payloadLength: packet.payload.count, hopLimit: packet.hopLimit,
      trafficClass: packet.trafficClass, flowLabel: packet.flowLabel)
  }

  /// Returns the bytes written: `encodedLength`, or 0 if they don't fit or the
  /// payload is longer than the field can say.
  @inline(__always) @discardableResult
  package func emit(into out: MutableByteView) -> Int {
    guard out.count >= IPv6Header.encodedLength, payloadLength >= 0, payloadLength <= 0xffff
    else { return 0 }
    out.store(
      UInt32(6) << 28 | UInt32(trafficClass) << 20 | flowLabel & 0xf_ffff, at: Field.version)
    out.store(UInt16(truncatingIfNeeded: payloadLength), at: Field.payloadLength)
    out.store(nextHeader, at: Field.nextHeader)
    out.store(hopLimit, at: Field.hopLimit)
    out.storeV6(source, at: Field.source)
    out.storeV6(destination, at: Field.destination)
    return IPv6Header.encodedLength
  }
}
