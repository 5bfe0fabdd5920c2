// SPDX-License-Identifier: Apache-2.0
//
// The IPv4 header (RFC 791 §3.1, RFC 2474 for the DS field). Options are stepped
// over when read and never written.

/// Values of the IPv4 protocol and the IPv6 next-header field.
package enum IPProtocol {
  package static let hopByHop: UInt8 = 0
  package static let icmp: UInt8 = 1
  package static let tcp: UInt8 = 6
  package static let udp: UInt8 = 17
  package static let routing: UInt8 = 43
  package static let fragment: UInt8 = 44
  package static let authentication: UInt8 = 51
  package static let icmpV6: UInt8 = 58
  package static let noNextHeader: UInt8 = 59
  package static let destinationOptions: UInt8 = 60
}

private enum Field {
  static let versionAndLength = 0
  static let trafficClass = 1
  static let totalLength = 2
  static let identification = 4
  static let fragment = 6
  static let timeToLive = 8
  static let protocolNumber = 9
  static let checksum = 10
  static let source = 12
  static let destination = 16
}

private let dontFragmentBit: UInt16 = 0x4000
private let moreFragmentsBit: UInt16 = 0x2000

/// A view of an IPv4 packet. After the check no getter reads outside it.
package struct IPv4Packet: BitwiseCopyable {
  /// The packet, cut to its total length (a short Ethernet frame has padding).
  package let bytes: ByteView
  /// Bytes of header with options: 20...60.
  package let headerLength: Int

  /// Nil unless header and payload are complete. The checksum is a question of its own.
  @inline(__always)
  package init?(checking bytes: ByteView) {
    guard bytes.count >= IPv4Header.encodedLength else { return nil }
    let first = bytes[Field.versionAndLength]
    let headerLength = Int(first & 0xf) &* 4
    let totalLength = Int(bytes.uint16(at: Field.totalLength))
    guard first >> 4 == 4, headerLength >= IPv4Header.encodedLength,
      totalLength >= headerLength, totalLength <= bytes.count
    else { return nil }
    self.bytes = ByteView(bytes.base, count: totalLength)
    self.headerLength = headerLength
  }

  @inline(__always) package var trafficClass: UInt8 { bytes[Field.trafficClass] }
  @inline(__always) package var identification: UInt16 { bytes.uint16(at: Field.identification) }
  @inline(__always)
  package var dontFragment: Bool { bytes.uint16(at: Field.fragment) & dontFragmentBit != 0 }
  @inline(__always)
  package var moreFragments: Bool { bytes.uint16(at: Field.fragment) & moreFragmentsBit != 0 }
  /// Where the payload lies in the datagram, in bytes: 0, 8, ... 65528.
  @inline(__always)
  package var fragmentOffset: Int { Int(bytes.uint16(at: Field.fragment) & 0x1fff) &* 8 }
  /// Whether this is a part of a datagram and not all of it.
  @inline(__always)
  package var isFragment: Bool { bytes.uint16(at: Field.fragment) & 0x3fff != 0 }
  @inline(__always) package var timeToLive: UInt8 { bytes[Field.timeToLive] }
  @inline(__always) package var protocolNumber: UInt8 { bytes[Field.protocolNumber] }
  @inline(__always) package var checksum: UInt16 { bytes.uint16(at: Field.checksum) }
  @inline(__always) package var source: IPAddress { bytes.ipv4Address(at: Field.source) }
  @inline(__always) package var destination: IPAddress { bytes.ipv4Address(at: Field.destination) }

  @inline(__always)
  package var header: ByteView { ByteView(bytes.base, count: headerLength) }
  @inline(__always)
  package var payload: ByteView { bytes.dropFirst(headerLength) }
  @inline(__always)
  package var isHeaderChecksumValid: Bool { Checksum.isValid(header) }
}

extension IPv4Packet {
  /// Turns a first fragment's header in front of a whole payload into the datagram's own:
  /// its length, no fragmentation, a new checksum. False if it is longer than can be said.
  static func makeWhole(_ packet: MutableByteView, headerLength: Int) -> Bool {
    guard packet.count <= 0xffff, headerLength >= IPv4Header.encodedLength,
      headerLength <= packet.count
    else { return false }
    packet.store(UInt16(truncatingIfNeeded: packet.count), at: Field.totalLength)
    packet.store(UInt16(0), at: Field.fragment)
    packet.store(UInt16(0), at: Field.checksum)
    packet.store(
      Checksum.of(packet.view.slice(at: 0, count: headerLength)), at: Field.checksum)
    return true
  }
}

/// The fields of a header without options.
package struct IPv4Header: Hashable, Sendable, BitwiseCopyable {
  package var source: IPAddress
  package var destination: IPAddress
  package var protocolNumber: UInt8
  /// Bytes behind the header: 0...65515.
  package var payloadLength: Int
  package var identification: UInt16
  package var dontFragment: Bool
  package var moreFragments: Bool
  /// In bytes, a multiple of 8 below 65536.
  package var fragmentOffset: Int
  package var timeToLive: UInt8
  /// DSCP and ECN.
  package var trafficClass: UInt8

  package static let encodedLength = 20
  package static let maxPayloadLength = 65535 - 20

  @inline(__always)
  package init(
    source: IPAddress, destination: IPAddress, protocolNumber: UInt8, payloadLength: Int,
    identification: UInt16 = 0, dontFragment: Bool = false, moreFragments: Bool = false,
    fragmentOffset: Int = 0, timeToLive: UInt8 = 64, trafficClass: UInt8 = 0
  ) {
    self.source = source
    self.destination = destination
    self.protocolNumber = protocolNumber
    self.payloadLength = payloadLength
    self.identification = identification
    self.dontFragment = dontFragment
    self.moreFragments = moreFragments
    self.fragmentOffset = fragmentOffset
    self.timeToLive = timeToLive
    self.trafficClass = trafficClass
  }

  @inline(__always)
  package init(_ packet: IPv4Packet) {
    self.init(
      source: packet.source, destination: packet.destination,
      protocolNumber: packet.protocolNumber, payloadLength: packet.payload.count,
      identification: packet.identification, dontFragment: packet.dontFragment,
      moreFragments: packet.moreFragments, fragmentOffset: packet.fragmentOffset,
      timeToLive: packet.timeToLive, trafficClass: packet.trafficClass)
  }

  /// Writes the header with its checksum. Returns the bytes written:
  /// `encodedLength`, or 0 if they don't fit or the payload is longer than IPv4 can say.
  @inline(__always) @discardableResult
  package func emit(into out: MutableByteView) -> Int {
    guard out.count >= IPv4Header.encodedLength, payloadLength >= 0,
      payloadLength <= IPv4Header.maxPayloadLength
    else { return 0 }
    // Version, header length, traffic class and total length in one store: the checksum reads them as one
    // word, and a load of bytes from several stores that are under way waits for all of them.
    let totalLength = UInt32(truncatingIfNeeded: payloadLength &+ IPv4Header.encodedLength)
    out.store(
      UInt32(0x45) << 24 | UInt32(trafficClass) << 16 | totalLength, at: Field.versionAndLength)
    out.store(identification, at: Field.identification)
    let offset = UInt16(truncatingIfNeeded: fragmentOffset >> 3) & 0x1fff
    let flags =
      (dontFragment ? dontFragmentBit : 0) | (moreFragments ? moreFragmentsBit : 0)
    out.store(flags | offset, at: Field.fragment)
    out.store(timeToLive, at: Field.timeToLive)
    out.store(protocolNumber, at: Field.protocolNumber)
    out.store(UInt16(0), at: Field.checksum)
    out.storeV4(source, at: Field.source)
    out.storeV4(destination, at: Field.destination)
    out.store(
      Checksum.of(ByteView(out.base, count: IPv4Header.encodedLength)), at: Field.checksum)
    return IPv4Header.encodedLength
  }
}
