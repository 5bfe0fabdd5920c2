// SPDX-License-Identifier: Apache-2.0
//
// Tags that say a priority and no VLAN (IEEE 802.1Q §6.9.1: VLAN identifier 0). Such a frame is an
// untagged one: the tag is taken off where the frame comes in, so that switch, guard, plugin and
// segmenter see what it is. Frames of a VLAN stay as they are.
//
// Thread: loop only. One load and two compares for a frame without a tag.

import PluginAPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

enum PriorityTag {
  /// Bytes of a tag, and those of the two addresses in front of it.
  private static let size = 4
  private static let addresses = 12
  /// Tags taken off one frame; one with more keeps the rest.
  private static let limit = 8

  /// Takes the tags off a frame that lies in one piece in memory that may be written.
  @inline(__always)
  static func remove(_ frame: UnsafeMutablePointer<lnd_frame>) {
    guard let data = frame.pointee.data else { return }
    let type = UnsafeRawPointer(data).loadUnaligned(fromByteOffset: addresses, as: UInt16.self)
    if type == UInt16(bigEndian: 0x8100) || type == UInt16(bigEndian: 0x88a8) {
      removeAll(frame, UnsafeMutablePointer(mutating: data))
    }
  }

  @inline(never)
  private static func removeAll(
    _ frame: UnsafeMutablePointer<lnd_frame>, _ start: UnsafeMutablePointer<UInt8>
  ) {
    var data = start
    for _ in 0..<limit {
      let isTag = data.be16(addresses) == 0x8100 || data.be16(addresses) == 0x88a8
      guard isTag, Int(frame.pointee.length) >= addresses + size + 2,
        data.be16(addresses + 2) & 0x0fff == 0
      else { return }
      if frame.pointee.flags & LND_FRAME_NEEDS_CSUM != 0 {
        // A checksum that is said to begin in the tag is nobody's: the frame stays what it is.
        guard frame.pointee.csum_start >= addresses + 2 + size else { return }
        frame.pointee.csum_start -= UInt16(size)
      }
      if frame.pointee.hdr_len >= size { frame.pointee.hdr_len -= UInt16(size) }
      memmove(data + size, data, addresses)
      data += size
      frame.pointee.data = UnsafePointer(data)
      frame.pointee.length -= UInt32(size)
    }
  }
}
