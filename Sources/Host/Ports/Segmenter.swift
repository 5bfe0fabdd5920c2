// SPDX-License-Identifier: Apache-2.0
//
// Software replacement for a link's missing offloads: completes a transport checksum, or segments a GSO frame.
// Payload is referenced, never copied; each segment gets headers of its own.
//
// A segment differs from the GSO frame in (RFC 791, 8200, 9293, 768)
//   IPv4  total length, identification (counts up), header checksum
//   IPv6  payload length
//   TCP   sequence number; FIN and PSH on the last only, CWR on the first only;
//         checksum
//   UDP   length, checksum
//
// Precondition: the frame has a valid `shape`. `init` fails when the headers contradict it. Ethernet with at most one
// VLAN tag; headers of at most `headerMax` bytes.

import LibC
import PluginAPI
import Wire

struct Segmenter {
  /// Maximum bytes of headers of a frame.
  static let headerMax = 256
  /// Maximum iovecs of a segment, without that of its headers.
  static let pieceMax = Int(LND_FRAME_MAX_SLICES)

  private enum Kind { case checksum, tcp, udp }

  private let kind: Kind
  /// The headers of the frame.
  private let template: ByteView
  private var payload: PieceReader
  /// Payload bytes not yet in a segment.
  private var left: Int
  private let segmentSize: Int
  /// Bytes generated in front of the payload of each segment.
  let headerLength: Int
  private let network: Int
  private let transport: Int
  private let isIPv4: Bool
  private var checksumOffset: Int
  /// Addresses and protocol of the pseudo header.
  private var pseudo = Checksum()
  private var index: UInt32 = 0
  private(set) var isDone = false

  /// - Parameter template: `headerMax` bytes, valid as long as the segmenter.
  init?(
    _ frame: UnsafePointer<lnd_frame>, _ shape: FrameShape,
    template memory: UnsafeMutablePointer<UInt8>
  ) {
    let length = Int(frame.pointee.length)
    transport = Int(frame.pointee.csum_start)
    checksumOffset = transport + Int(frame.pointee.csum_offset)
    payload = PieceReader(frame)
    let known = min(length, Self.headerMax)
    let template = ByteView(memory, count: known)
    self.template = template
    var reader = payload
    reader.copy(known, into: memory)

    guard shape == .segments else {
      kind = .checksum
      isIPv4 = false
      network = EthernetHeader.encodedLength
      headerLength = checksumOffset + 2
      guard headerLength <= known else { return nil }
      left = length - headerLength
      segmentSize = left
      payload.skip(headerLength)
      return
    }

    var type = template.uint16(at: EthernetField.etherType)
    var network = EthernetHeader.encodedLength
    if EtherType.isTag(type) {
      guard known >= network + VLANTag.encodedLength else { return nil }
      type = template.uint16(at: EthernetField.etherType + VLANTag.etherType)
      network += VLANTag.encodedLength
    }
    self.network = network
    isIPv4 = type == EtherType.ipv4
    let isUDP = UInt32(frame.pointee.gso_type) == LND_GSO_UDP_L4
    kind = isUDP ? .udp : .tcp
    let protocolNumber = isUDP ? IPProtocol.udp : IPProtocol.tcp
    guard isUDP || isIPv4 == (UInt32(frame.pointee.gso_type) == LND_GSO_TCPV4),
      transport <= known,
      checksumOffset - transport == (isUDP ? UDPField.checksum : TCPField.checksum)
    else { return nil }

    if isIPv4 {
      guard transport >= network + IPv4Header.encodedLength else { return nil }
      let first = template[network + IPv4Field.versionAndLength]
      guard first >> 4 == 4, transport == network + Int(first & 15) * 4,
        template[network + IPv4Field.protocolNumber] == protocolNumber
      else { return nil }
      pseudo.add(template.slice(at: network + IPv4Field.source, count: 8))
    } else {
      let fixed = network + IPv6Header.encodedLength
      guard type == EtherType.ipv6, transport >= fixed,
        template[network + IPv6Field.version] >> 4 == 6,
        transport > fixed || template[network + IPv6Field.nextHeader] == protocolNumber
      else { return nil }
      pseudo.add(template.slice(at: network + IPv6Field.source, count: 32))
    }
    pseudo.add(UInt16(protocolNumber))

    if isUDP {
      headerLength = transport + UDPHeader.encodedLength
    } else {
      guard transport + TCPHeader.minimumLength <= known else { return nil }
      let bytes = Int(template[transport + TCPField.dataOffset] >> 4) * 4
      guard bytes >= TCPHeader.minimumLength else { return nil }
      headerLength = transport + bytes
    }
    guard headerLength <= known else { return nil }
    left = length - headerLength
    segmentSize = Int(frame.pointee.gso_size)
    // A segment's length must fit its 16-bit length field.
    let counted = isIPv4 ? network : network + IPv6Header.encodedLength
    guard headerLength - counted + min(left, segmentSize) <= 65535 else { return nil }
    payload.skip(headerLength)
  }

  /// Writes the next segment's headers (`headerLength` bytes) and references its payload. Returns the segment's bytes
  /// and the iovecs used (`pieceMax` at most). Precondition: not `isDone`.
  mutating func next(
    header memory: UnsafeMutablePointer<UInt8>, pieces: UnsafeMutablePointer<iovec>
  ) -> (bytes: Int, pieces: Int) {
    let size = min(left, segmentSize)
    left &-= size
    isDone = left == 0
    let header = MutableByteView(memory, count: headerLength)
    header.store(template.prefix(headerLength), at: 0)
    var sum: Checksum
    if kind == .checksum {
      // The field holds the sum of the pseudo header, which is summed with the rest.
      sum = Checksum()
    } else {
      writeFields(to: header, payload: size)
      sum = pseudo
      sum.add(UInt16(truncatingIfNeeded: headerLength &- transport &+ size))
      header.store(UInt16(0), at: checksumOffset)
    }
    sum.add(header.view.dropFirst(transport))
    let used = payload.refer(size, into: pieces, sum: &sum)
    // UDP sends a zero checksum as all ones; zero means "no checksum" (RFC 768).
    header.store(sum.udpValue, at: checksumOffset)
    index &+= 1
    return (headerLength &+ size, used)
  }

  /// The fields that differ between segments, except the transport checksum.
  @inline(__always)
  private func writeFields(to header: MutableByteView, payload size: Int) {
    if isIPv4 {
      header.store(
        UInt16(truncatingIfNeeded: headerLength &- network &+ size),
        at: network + IPv4Field.totalLength)
      header.store(
        template.uint16(at: network + IPv4Field.identification)
          &+ UInt16(truncatingIfNeeded: index), at: network + IPv4Field.identification)
      header.store(UInt16(0), at: network + IPv4Field.checksum)
      header.store(
        Checksum.of(header.view.slice(at: network, count: transport &- network)),
        at: network + IPv4Field.checksum)
    } else {
      header.store(
        UInt16(truncatingIfNeeded: headerLength &- network &- IPv6Header.encodedLength &+ size),
        at: network + IPv6Field.payloadLength)
    }
    if kind == .tcp {
      header.store(
        template.uint32(at: transport + TCPField.sequence) &+ index &* UInt32(segmentSize),
        at: transport + TCPField.sequence)
      var flags = TCPFlags(rawValue: template[transport + TCPField.flags])
      if !isDone { flags.subtract([.fin, .psh]) }
      if index != 0 { flags.remove(.cwr) }
      header.store(flags.rawValue, at: transport + TCPField.flags)
    } else {
      header.store(
        UInt16(truncatingIfNeeded: headerLength &- transport &+ size),
        at: transport + UDPField.length)
    }
  }
}
