// SPDX-License-Identifier: Apache-2.0
//
// Validates an lnd_frame and determines what it needs. All fields that a plugin fills in are checked here once, before
// they are used: lengths, offsets, the number of slices and their sum. (Whether its pointers are valid cannot be checked.)

import PluginAPI
import Wire

enum FrameShape {
  /// Its fields contradict each other: drop and count.
  case malformed
  /// Can be sent unchanged.
  case plain
  /// One frame with a partial checksum.
  case checksum
  /// A GSO frame, to be segmented.
  case segments
}

/// The rules of `lnd_frame`, as lnd_plugin.h numbers them.
package enum FrameFault: UInt32, CaseIterable, Sendable {
  case length = 1
  case slices
  case checksum
  case segments
  case reserved = 6

  /// A part of a sentence.
  package var text: String {
    switch self {
    case .length: "F1: `length` is not 14 to \(LND_FRAME_MAX), or `data` is NULL"
    case .slices:
      "F2: the slices do not add up to `length`, or there are not 1 to \(LND_FRAME_MAX_SLICES), or `slices` is not 0"
        + " without LND_FRAME_SLICES"
    case .checksum: "F3: the checksum field is not in the frame"
    case .segments:
      "F4: gso_type is none of LND_GSO_*, gso_size is below \(LND_GSO_SIZE_MIN), or the headers are not those of gso_type"
    case .reserved: "F6: what is reserved is not 0, or a flag is not known"
    }
  }
}

extension lnd_frame {
  /// A frame without offloads and slices.
  @inline(__always)
  init(_ data: UnsafePointer<UInt8>?, _ length: UInt32, flags: UInt32) {
    self.init()
    self.data = data
    self.length = length
    self.flags = flags
  }
}

extension UnsafePointer<lnd_frame> {
  /// Minimum segment payload accepted: it bounds the segments of a GSO frame (2048), far below the smallest MSS of any
  /// TCP.
  static var smallestSegment: UInt16 { UInt16(LND_GSO_SIZE_MIN) }

  /// Flags that make a frame not plain, and unknown ones that must be understood.
  private static var remarkable: UInt32 { LND_FRAME_NEEDS_CSUM | mustUnderstand }

  @inline(__always) var shape: FrameShape {
    let length = pointee.length
    guard length >= EthernetHeader.encodedLength, length <= LND_FRAME_MAX, pointee.data != nil
    else { return .malformed }
    let others = pointee.flags & Self.remarkable | UInt32(pointee.gso_type) | pointee.slices
    if others | UInt32(pointee.reserved) == 0, pointee.reserved1 == 0 { return .plain }
    return shapeOfOthers
  }

  @inline(never) private var shapeOfOthers: FrameShape {
    guard fault == nil else { return .malformed }
    if pointee.gso_type != LND_GSO_NONE { return .segments }
    return pointee.flags & LND_FRAME_NEEDS_CSUM != 0 ? .checksum : .plain
  }

  /// The rule of lnd_plugin.h that it violates; nil: none that is visible without its headers.
  var fault: FrameFault? {
    let length = pointee.length
    guard length >= EthernetHeader.encodedLength, length <= LND_FRAME_MAX, pointee.data != nil
    else { return .length }
    if pointee.flags & LND_FRAME_SLICES != 0 {
      guard slicesAddUp else { return .slices }
    } else if pointee.slices != 0 {
      return .slices
    }
    guard pointee.reserved == 0, pointee.reserved1 == 0,
      pointee.flags & mustUnderstand & ~LND_FRAME_SLICES == 0
    else { return .reserved }
    let isSuper = pointee.gso_type != LND_GSO_NONE
    guard isSuper || pointee.flags & LND_FRAME_NEEDS_CSUM != 0 else { return nil }
    let start = UInt32(pointee.csum_start)
    guard start >= EthernetHeader.encodedLength,
      start + UInt32(pointee.csum_offset) + 2 <= length
    else { return .checksum }
    guard isSuper else { return nil }
    switch UInt32(pointee.gso_type) {
    case LND_GSO_TCPV4, LND_GSO_TCPV6, LND_GSO_UDP_L4:
      return pointee.gso_size >= Self.smallestSegment ? nil : .segments
    default: return .segments
    }
  }

  private var slicesAddUp: Bool {
    let count = pointee.slices
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
