// SPDX-License-Identifier: Apache-2.0
//
// Tags that say a priority and no VLAN (IEEE 802.1Q §6.9.1: VLAN identifier 0). Such a frame is an
// untagged one: the tag is taken off where the frame comes in, so that switch, guard, plugin and
// segmenter see what it is. Frames of a VLAN stay as they are.
//
// Thread: loop only. One load and two compares for a frame without a tag.

import PluginAPI
import Wire

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

enum PriorityTag {
  /// Tags taken off one frame; one with more keeps the rest.
  private static let limit = 8

  /// Takes the tags off a frame that lies in one piece in memory that may be written.
  @inline(__always)
  static func remove(_ frame: UnsafeMutablePointer<lnd_frame>) {
    guard let data = frame.pointee.data else { return }
    if EtherType.isTag(
      ByteView(data, count: EthernetHeader.encodedLength).uint16(at: EthernetField.etherType))
    {
      removeAll(frame, UnsafeMutablePointer(mutating: data))
    }
  }

  @inline(never)
  private static func removeAll(
    _ frame: UnsafeMutablePointer<lnd_frame>, _ start: UnsafeMutablePointer<UInt8>
  ) {
    let size = VLANTag.encodedLength
    var data = start
    for _ in 0..<limit {
      let bytes = ByteView(data, count: Int(frame.pointee.length))
      guard EtherType.isTag(bytes.uint16(at: EthernetField.etherType)),
        bytes.count >= EthernetHeader.encodedLength + size,
        bytes.uint16(at: EthernetField.etherType + VLANTag.control) & VLANTag.identifierMask == 0
      else { return }
      if frame.pointee.flags & LND_FRAME_NEEDS_CSUM != 0 {
        // A checksum that is said to begin in the tag is nobody's: the frame stays what it is.
        guard frame.pointee.csum_start >= EthernetHeader.encodedLength + size else { return }
        frame.pointee.csum_start -= UInt16(size)
      }
      if frame.pointee.hdr_len >= size { frame.pointee.hdr_len -= UInt16(size) }
      // The addresses move to where the tag ends.
      memmove(data + size, data, EthernetField.etherType)
      data += size
      frame.pointee.data = UnsafePointer(data)
      frame.pointee.length -= UInt32(size)
    }
  }
}
