// SPDX-License-Identifier: Apache-2.0
//
// struct virtio_net_hdr_v1, 12 bytes, in the machine's byte order (what a TAP
// with TUNSETVNETHDRSZ 12 and TUNSETVNETLE unset uses), and its translation to
// and from the offload fields of lnd_frame. virtio 1.2, section 5.1.6.
//
//   0 flags  1 gso_type  2 hdr_len  4 gso_size  6 csum_start  8 csum_offset
//   10 num_buffers

import PluginAPI
import Wire

enum VnetHeader {
  static let size = 12
  private static let needsChecksum: UInt8 = 1
  private static let dataValid: UInt8 = 2
  private static let ecn: UInt8 = 0x80

  /// gso_size of what is written behind a header; 0: it is one packet.
  @inline(__always)
  static func segmentSize(_ header: UnsafePointer<UInt8>) -> Int {
    header[1] == 0
      ? 0 : Int(UnsafeRawPointer(header).loadUnaligned(fromByteOffset: 4, as: UInt16.self))
  }

  /// Fills in a frame that was read behind a header. False when the header
  /// contradicts the frame.
  @inline(__always)
  static func read(
    _ header: UnsafeMutablePointer<UInt8>, length: Int, into frame: UnsafeMutablePointer<lnd_frame>
  ) -> Bool {
    let raw = UnsafeRawPointer(header)
    let flags = raw.load(as: UInt8.self)
    let data = header + size
    frame.pointee = lnd_frame(UnsafePointer(data), UInt32(truncatingIfNeeded: length), flags: 0)
    if flags & needsChecksum == 0 {
      if flags & dataValid != 0 { frame.pointee.flags = LND_FRAME_CSUM_VALID }
      return raw.load(fromByteOffset: 1, as: UInt8.self) == 0
    }
    let start = Int(raw.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
    let offset = Int(raw.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
    guard start >= EthernetHeader.encodedLength, start &+ offset &+ 2 <= length else {
      return false
    }
    // A partial checksum never left this machine's memory, so the data is valid.
    frame.pointee.flags = LND_FRAME_NEEDS_CSUM | LND_FRAME_CSUM_VALID
    frame.pointee.csum_start = UInt16(truncatingIfNeeded: start)
    frame.pointee.csum_offset = UInt16(truncatingIfNeeded: offset)
    let type = raw.load(fromByteOffset: 1, as: UInt8.self) & ~ecn
    if type == 0 { return true }

    // hdr_len is only a hint in virtio (Linux gives the linear part).
    let headers: Int
    switch UInt32(type) {
    case LND_GSO_TCPV4, LND_GSO_TCPV6:
      guard start &+ TCPHeader.minimumLength <= length else { return false }
      headers = start &+ Int(data[start &+ TCPField.dataOffset] >> 4) &* 4
    case LND_GSO_UDP_L4: headers = start &+ UDPHeader.encodedLength
    default: return false
    }
    let segment = raw.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
    guard headers <= length, segment > 0 else { return false }
    frame.pointee.gso_type = UInt16(type)
    frame.pointee.gso_size = segment
    frame.pointee.hdr_len = UInt16(truncatingIfNeeded: headers)
    return true
  }

  /// Writes the header for a frame with a valid shape.
  @inline(__always)
  static func write(
    _ frame: UnsafePointer<lnd_frame>, _ shape: FrameShape, headers: Int,
    to header: UnsafeMutablePointer<UInt8>
  ) {
    let raw = UnsafeMutableRawPointer(header)
    raw.storeBytes(of: 0, as: UInt64.self)
    raw.storeBytes(of: 0, toByteOffset: 8, as: UInt32.self)
    switch shape {
    case .malformed: break
    case .plain:
      if frame.pointee.flags & LND_FRAME_CSUM_VALID != 0 { header[0] = dataValid }
    case .checksum, .segments:
      header[0] = needsChecksum
      raw.storeBytes(of: frame.pointee.csum_start, toByteOffset: 6, as: UInt16.self)
      raw.storeBytes(of: frame.pointee.csum_offset, toByteOffset: 8, as: UInt16.self)
      if shape == .segments {
        header[1] = UInt8(truncatingIfNeeded: frame.pointee.gso_type)
        raw.storeBytes(of: UInt16(headers), toByteOffset: 2, as: UInt16.self)
        raw.storeBytes(of: frame.pointee.gso_size, toByteOffset: 4, as: UInt16.self)
      }
    }
  }
}
