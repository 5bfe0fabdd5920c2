// SPDX-License-Identifier: Apache-2.0
//
// The IPv4 header (RFC 791 §3.1, RFC 2474 for the DS field). Options are skipped when a header is parsed and never
// written.

/// Values of the IPv4 protocol and the IPv6 next-header field.
public enum IPProtocol {
  @inlinable public static var hopByHop: UInt8 { 0 }
  @inlinable public static var icmp: UInt8 { 1 }
  @inlinable public static var tcp: UInt8 { 6 }
  @inlinable public static var udp: UInt8 { 17 }
  @inlinable public static var routing: UInt8 { 43 }
  @inlinable public static var fragment: UInt8 { 44 }
  @inlinable public static var authentication: UInt8 { 51 }
  @inlinable public static var icmpV6: UInt8 { 58 }
  @inlinable public static var noNextHeader: UInt8 { 59 }
  @inlinable public static var destinationOptions: UInt8 { 60 }
  @inlinable public static var mobility: UInt8 { 135 }
}

/// Offsets in the header.
public enum IPv4Field {
  @inlinable public static var versionAndLength: Int { 0 }
  @inlinable public static var trafficClass: Int { 1 }
  @inlinable public static var totalLength: Int { 2 }
  @inlinable public static var identification: Int { 4 }
  @inlinable public static var fragment: Int { 6 }
  @inlinable public static var timeToLive: Int { 8 }
  @inlinable public static var protocolNumber: Int { 9 }
  @inlinable public static var checksum: Int { 10 }
  @inlinable public static var source: Int { 12 }
  @inlinable public static var destination: Int { 16 }
}

/// Bits of the word at `IPv4Field.fragment`.
public enum IPv4FragmentBits {
  @inlinable public static var dontFragment: UInt16 { 0x4000 }
  @inlinable public static var moreFragments: UInt16 { 0x2000 }
  /// The offset in units of eight bytes.
  @inlinable public static var offset: UInt16 { 0x1fff }
}

/// A view of an IPv4 packet. After the check no getter reads outside it.
public struct IPv4Packet: BitwiseCopyable {
  /// The packet, cut to its total length (a short Ethernet frame has padding).
  public let bytes: ByteView
  /// Bytes of header with options: 20...60.
  public let headerLength: Int

  /// Nil unless header and payload are complete. The checksum is not verified.
  @inlinable @inline(__always)
  public init?(checking bytes: ByteView) {
    guard bytes.count >= IPv4Header.encodedLength else { return nil }
    let first = bytes[IPv4Field.versionAndLength]
    let headerLength = Int(first & 0xf) &* 4
    let totalLength = Int(bytes.uint16(at: IPv4Field.totalLength))
    guard first >> 4 == 4, headerLength >= IPv4Header.encodedLength,
      totalLength >= headerLength, totalLength <= bytes.count
    else { return nil }
    self.bytes = ByteView(bytes.base, count: totalLength)
    self.headerLength = headerLength
  }

  @inlinable @inline(__always) public var trafficClass: UInt8 { bytes[IPv4Field.trafficClass] }
  @inlinable @inline(__always) public var identification: UInt16 {
    bytes.uint16(at: IPv4Field.identification)
  }
  @inlinable @inline(__always)
  public var dontFragment: Bool {
    bytes.uint16(at: IPv4Field.fragment) & IPv4FragmentBits.dontFragment != 0
  }
  @inlinable @inline(__always)
  public var moreFragments: Bool {
    bytes.uint16(at: IPv4Field.fragment) & IPv4FragmentBits.moreFragments != 0
  }
  /// The payload's offset in the datagram, in bytes: 0, 8, ... 65528.
  @inlinable @inline(__always)
  public var fragmentOffset: Int {
    Int(bytes.uint16(at: IPv4Field.fragment) & IPv4FragmentBits.offset) &* 8
  }
  /// Whether this is a fragment of a datagram.
  @inlinable @inline(__always)
  public var isFragment: Bool {
    bytes.uint16(at: IPv4Field.fragment)
      & (IPv4FragmentBits.offset | IPv4FragmentBits.moreFragments) != 0
  }
  @inlinable @inline(__always) public var timeToLive: UInt8 { bytes[IPv4Field.timeToLive] }
  @inlinable @inline(__always) public var protocolNumber: UInt8 { bytes[IPv4Field.protocolNumber] }
  @inlinable @inline(__always) public var checksum: UInt16 { bytes.uint16(at: IPv4Field.checksum) }
  @inlinable @inline(__always) public var source: IPAddress {
    bytes.ipv4Address(at: IPv4Field.source)
  }
  @inlinable @inline(__always) public var destination: IPAddress {
    bytes.ipv4Address(at: IPv4Field.destination)
  }

  @inlinable @inline(__always)
  public var header: ByteView { ByteView(bytes.base, count: headerLength) }
  @inlinable @inline(__always)
  public var payload: ByteView { bytes.dropFirst(headerLength) }
  @inlinable @inline(__always)
  public var isHeaderChecksumValid: Bool { Checksum.isValid(header) }
}

extension IPv4Packet {
  /// Rewrites a first fragment's header, in front of the reassembled payload, as the datagram's own: total length, no
  /// fragmentation, a new checksum. False if the length exceeds the field.
  public static func makeWhole(_ packet: MutableByteView, headerLength: Int) -> Bool {
    guard packet.count <= 0xffff, headerLength >= IPv4Header.encodedLength,
      headerLength <= packet.count
    else { return false }
    packet.store(UInt16(truncatingIfNeeded: packet.count), at: IPv4Field.totalLength)
    packet.store(UInt16(0), at: IPv4Field.fragment)
    packet.store(UInt16(0), at: IPv4Field.checksum)
    packet.store(
      Checksum.of(packet.view.slice(at: 0, count: headerLength)), at: IPv4Field.checksum)
    return true
  }
}

/// The fields of a header without options.
public struct IPv4Header: Hashable, Sendable, BitwiseCopyable {
  public var source: IPAddress
  public var destination: IPAddress
  public var protocolNumber: UInt8
  /// Bytes behind the header: 0...65515.
  public var payloadLength: Int
  public var identification: UInt16
  public var dontFragment: Bool
  public var moreFragments: Bool
  /// In bytes, a multiple of 8 below 65536.
  public var fragmentOffset: Int
  public var timeToLive: UInt8
  /// DSCP and ECN.
  public var trafficClass: UInt8

  @inlinable public static var encodedLength: Int { 20 }
  @inlinable public static var maxPayloadLength: Int { 65535 - 20 }
  /// The first byte of a header without options: version 4, five words.
  @inlinable public static var versionAndLength: UInt8 { 0x45 }

  @inlinable @inline(__always)
  public init(
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

  @inlinable @inline(__always)
  public init(_ packet: IPv4Packet) {
    self.init(
      source: packet.source, destination: packet.destination,
      protocolNumber: packet.protocolNumber, payloadLength: packet.payload.count,
      identification: packet.identification, dontFragment: packet.dontFragment,
      moreFragments: packet.moreFragments, fragmentOffset: packet.fragmentOffset,
      timeToLive: packet.timeToLive, trafficClass: packet.trafficClass)
  }

  /// Writes the header with its checksum. Returns the bytes written:
  /// `encodedLength`, or 0 if they don't fit or the payload is too long for the length field.
  @inlinable @inline(__always) @discardableResult
  public func emit(into out: MutableByteView) -> Int {
    guard out.count >= IPv4Header.encodedLength, payloadLength >= 0,
      payloadLength <= IPv4Header.maxPayloadLength
    else { return 0 }
    // Version, header length, traffic class and total length in one store: the checksum reads them as one
    // word, and a load of bytes from several stores that are under way waits for all of them.
    let totalLength = UInt32(truncatingIfNeeded: payloadLength &+ IPv4Header.encodedLength)
    out.store(
      UInt32(IPv4Header.versionAndLength) << 24 | UInt32(trafficClass) << 16 | totalLength,
      at: IPv4Field.versionAndLength)
    out.store(identification, at: IPv4Field.identification)
    let offset = UInt16(truncatingIfNeeded: fragmentOffset >> 3) & IPv4FragmentBits.offset
    let flags =
      (dontFragment ? IPv4FragmentBits.dontFragment : 0)
      | (moreFragments ? IPv4FragmentBits.moreFragments : 0)
    out.store(flags | offset, at: IPv4Field.fragment)
    out.store(timeToLive, at: IPv4Field.timeToLive)
    out.store(protocolNumber, at: IPv4Field.protocolNumber)
    out.store(UInt16(0), at: IPv4Field.checksum)
    out.storeV4(source, at: IPv4Field.source)
    out.storeV4(destination, at: IPv4Field.destination)
    out.store(
      Checksum.of(ByteView(out.base, count: IPv4Header.encodedLength)), at: IPv4Field.checksum)
    return IPv4Header.encodedLength
  }
}
