// SPDX-License-Identifier: Apache-2.0
//
// Is an lnd_frame what the ABI says it is, and what does it need? Everything a
// plugin fills in is checked here once, before any of it is used: lengths,
// offsets, the number of slices and their sum. (That its pointers point to
// memory cannot be checked.)

import PluginAPI
import Wire

enum FrameShape {
  /// Contradicts itself: drop and count.
  case malformed
  /// Goes out as it is.
  case plain
  /// One frame whose transport checksum is to be completed.
  case checksum
  /// A super-frame, to be cut into segments.
  case segments
}

extension UnsafePointer<lnd_frame> {
  /// The smallest segment payload taken: it bounds what one super-frame can
  /// become (2048 segments), far below any TCP's smallest MSS.
  static var smallestSegment: UInt16 { 32 }

  @inline(__always) var shape: FrameShape {
    let length = pointee.length
    guard length >= EthernetHeader.encodedLength, length <= LND_FRAME_MAX, pointee.data != nil
    else { return .malformed }
    let flags = pointee.flags
    if flags & (LND_FRAME_NEEDS_CSUM | LND_FRAME_SLICES) == 0, pointee.gso_type == LND_GSO_NONE {
      return .plain
    }
    return shapeOfOthers
  }

  @inline(never) private var shapeOfOthers: FrameShape {
    if pointee.flags & LND_FRAME_SLICES != 0, !slicesAddUp { return .malformed }
    guard pointee.flags & LND_FRAME_NEEDS_CSUM != 0 else {
      return pointee.gso_type == LND_GSO_NONE ? .plain : .malformed
    }
    let start = UInt32(pointee.csum_start)
    guard start >= EthernetHeader.encodedLength,
      start + UInt32(pointee.csum_offset) + 2 <= pointee.length
    else {
      return .malformed
    }
    switch UInt32(pointee.gso_type) {
    case LND_GSO_NONE: return .checksum
    case LND_GSO_TCPV4, LND_GSO_TCPV6, LND_GSO_UDP_L4:
      return pointee.gso_size >= Self.smallestSegment ? .segments : .malformed
    default: return .malformed
    }
  }

  private var slicesAddUp: Bool {
    let count = pointee.capacity
    guard count >= 1, count <= LND_FRAME_MAX_SLICES, let data = pointee.data,
      UInt(bitPattern: data) % UInt(MemoryLayout<lnd_slice>.alignment) == 0
    else { return false }
    let slices = UnsafeRawPointer(data).assumingMemoryBound(to: lnd_slice.self)
    var sum: UInt64 = 0
    for i in 0..<Int(count) {
      let slice = slices[i]
      guard slice.length <= UInt64(LND_FRAME_MAX), slice.length == 0 || slice.data != nil else {
        return false
      }
      sum &+= slice.length
    }
    return sum == UInt64(pointee.length)
  }
}
