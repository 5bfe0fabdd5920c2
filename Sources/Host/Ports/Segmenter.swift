// SPDX-License-Identifier: Apache-2.0
//
// Does in software what a link without offloads cannot: completes a transport
// checksum, or cuts a super-frame into segments. Payload is referred to, never
// copied; each segment gets headers of its own.
//
// A segment differs from the super-frame in (RFC 791, 8200, 9293, 768)
//   IPv4  total length, identification (counts up), header checksum
//   IPv6  payload length
//   TCP   sequence number; FIN and PSH on the last only, CWR on the first only;
//         checksum
//   UDP   length, checksum
//
// Takes any frame whose `shape` is good: what the headers then contradict makes
// `init` fail. Ethernet with at most one VLAN tag; headers of at most
// `headerMax` bytes.

import CPlatform
import PluginAPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

struct Segmenter {
  /// Bytes of headers that a frame to be worked on may have.
  static let headerMax = 256
  /// iovecs a segment needs at most, without the one of its headers.
  static let pieceMax = Int(LND_FRAME_MAX_SLICES)

  private enum Kind { case checksum, tcp, udp }

  private let kind: Kind
  private let template: UnsafeMutablePointer<UInt8>
  private var payload: PieceReader
  /// Payload bytes not yet handed out.
  private var left: Int
  private let segmentSize: Int
  /// Bytes generated in front of the payload of each segment.
  let headerLength: Int
  private let network: Int
  private let transport: Int
  private let isIPv4: Bool
  private var checksumOffset: Int
  /// Addresses and protocol of the pseudo header, native order.
  private var pseudo: UInt64 = 0
  private var index: UInt32 = 0
  private(set) var isDone = false

  /// - Parameter template: `headerMax` bytes, the segmenter's as long as it lives.
  init?(
    _ frame: UnsafePointer<lnd_frame>, _ shape: FrameShape,
    template: UnsafeMutablePointer<UInt8>
  ) {
    let length = Int(frame.pointee.length)
    transport = Int(frame.pointee.csum_start)
    checksumOffset = transport + Int(frame.pointee.csum_offset)
    self.template = template
    payload = PieceReader(frame)
    let known = min(length, Self.headerMax)
    var reader = payload
    reader.copy(known, into: template)

    guard shape == .segments else {
      kind = .checksum
      isIPv4 = false
      network = 14
      headerLength = checksumOffset + 2
      guard headerLength <= known else { return nil }
      left = length - headerLength
      segmentSize = left
      payload.skip(headerLength)
      return
    }

    var type = template.be16(12)
    var network = 14
    if type == 0x8100 || type == 0x88a8 {
      guard known >= 18 else { return nil }
      type = template.be16(16)
      network = 18
    }
    self.network = network
    isIPv4 = type == 0x0800
    let isUDP = UInt32(frame.pointee.gso_type) == LND_GSO_UDP_L4
    kind = isUDP ? .udp : .tcp
    let protocolNumber: UInt8 = isUDP ? 17 : 6
    guard isUDP || isIPv4 == (UInt32(frame.pointee.gso_type) == LND_GSO_TCPV4),
      transport <= known, checksumOffset - transport == (isUDP ? 6 : 16)
    else { return nil }

    if isIPv4 {
      guard transport >= network + 20, template[network] >> 4 == 4,
        transport == network + Int(template[network] & 15) * 4,
        template[network + 9] == protocolNumber
      else { return nil }
      pseudo = UInt64(cplatform_checksum(template + network + 12, 8))
    } else {
      guard type == 0x86dd, transport >= network + 40, template[network] >> 4 == 6,
        transport > network + 40 || template[network + 6] == protocolNumber
      else { return nil }
      pseudo = UInt64(cplatform_checksum(template + network + 8, 32))
    }
    pseudo &+= UInt64(UInt16(protocolNumber).bigEndian)

    if isUDP {
      headerLength = transport + 8
    } else {
      guard transport + 20 <= known else { return nil }
      let words = Int(template[transport + 12] >> 4)
      guard words >= 5 else { return nil }
      headerLength = transport + words * 4
    }
    guard headerLength <= known else { return nil }
    left = length - headerLength
    segmentSize = Int(frame.pointee.gso_size)
    // What a segment's length fields cannot say.
    let counted = isIPv4 ? network : network + 40
    guard headerLength - counted + min(left, segmentSize) <= 65535 else { return nil }
    payload.skip(headerLength)
  }

  /// Writes the next segment's headers (`headerLength` bytes) and refers to its
  /// payload. Returns the segment's bytes and the iovecs used (`pieceMax` at
  /// most). Not to be called when `isDone`.
  mutating func next(
    header: UnsafeMutablePointer<UInt8>, pieces: UnsafeMutablePointer<iovec>
  ) -> (bytes: Int, pieces: Int) {
    let size = min(left, segmentSize)
    left &-= size
    isDone = left == 0
    memcpy(header, template, headerLength)
    var sum: UInt64 = 0
    if kind == .checksum {
      // The payload begins behind the field, at any parity from the start.
      let used = payload.refer(size, into: pieces, sum: &sum)
      let head = headerLength &- transport
      if head & 1 != 0 { sum = UInt64(fold(sum).byteSwapped) }
      sum &+= UInt64(cplatform_checksum(header + transport, head))
      header.store(finished(sum), at: checksumOffset)
      return (headerLength &+ size, used)
    }

    let transportLength = headerLength &- transport &+ size
    if isIPv4 {
      header.storeBE(headerLength &- network &+ size, at: network + 2)
      let id = template.be16(network + 4) &+ UInt16(truncatingIfNeeded: index)
      header.storeBE(Int(id), at: network + 4)
      header.store(0, at: network + 10)
      let ip = UInt64(cplatform_checksum(header + network, transport &- network))
      header.store(~fold(ip), at: network + 10)
    } else {
      header.storeBE(headerLength &- network &- 40 &+ size, at: network + 4)
    }
    if kind == .tcp {
      let sequence = template.be32(transport + 4) &+ index &* UInt32(segmentSize)
      header.storeBE(Int(sequence >> 16), at: transport + 4)
      header.storeBE(Int(sequence & 0xffff), at: transport + 6)
      var flags = template[transport + 13]
      if !isDone { flags &= ~0x09 }
      if index != 0 { flags &= ~0x80 }
      header[transport + 13] = flags
    } else {
      header.storeBE(transportLength, at: transport + 4)
    }
    header.store(0, at: checksumOffset)
    let used = payload.refer(size, into: pieces, sum: &sum)
    sum &+= pseudo &+ UInt64(UInt16(truncatingIfNeeded: transportLength).bigEndian)
    // The headers' length is even, so the payload's sum needs no swap.
    sum &+= UInt64(cplatform_checksum(header + transport, headerLength &- transport))
    header.store(finished(sum), at: checksumOffset)
    index &+= 1
    return (headerLength &+ size, used)
  }

  /// The checksum to store; 0 would mean "none" in UDP, and -0 is the same.
  @inline(__always) private func finished(_ sum: UInt64) -> UInt16 {
    let value = ~fold(sum)
    return value == 0 ? 0xffff : value
  }
}

/// Folds a sum of 16-bit words into 16 bits (RFC 1071).
@inline(__always) func fold(_ sum: UInt64) -> UInt16 {
  var sum = (sum & 0xffff_ffff) &+ (sum >> 32)
  sum = (sum & 0xffff) &+ (sum >> 16)
  sum = (sum & 0xffff) &+ (sum >> 16)
  return UInt16(truncatingIfNeeded: (sum & 0xffff) &+ (sum >> 16))
}

extension UnsafeMutablePointer<UInt8> {
  @inline(__always) func be16(_ offset: Int) -> UInt16 {
    UInt16(self[offset]) << 8 | UInt16(self[offset + 1])
  }

  @inline(__always) func be32(_ offset: Int) -> UInt32 {
    UInt32(be16(offset)) << 16 | UInt32(be16(offset + 2))
  }

  /// Stores the low 16 bits, big-endian.
  @inline(__always) func storeBE(_ value: Int, at offset: Int) {
    self[offset] = UInt8(truncatingIfNeeded: value >> 8)
    self[offset + 1] = UInt8(truncatingIfNeeded: value)
  }

  /// Stores 16 bits in the machine's order, as checksums are.
  @inline(__always) func store(_ value: UInt16, at offset: Int) {
    UnsafeMutableRawPointer(self + offset).storeBytes(of: value, as: UInt16.self)
  }
}
