// SPDX-License-Identifier: Apache-2.0
//
// Priority tags (IEEE 802.1Q §6.9.1: VLAN identifier 0). Such a frame belongs to no VLAN: the tag is removed on
// reception, so that switch, guard, plugin and segmenter see an untagged frame. Frames of a VLAN are unchanged.
//
// Thread: loop only. One load and two compares for a frame without a tag.

import LibC
import PluginAPI
import Wire

enum PriorityTag {
  /// Maximum tags removed from one frame; further ones stay.
  private static let limit = 8

  /// Removes the tags of a contiguous frame in writable memory.
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
        // A checksum that starts inside the tag is invalid: the frame is left unchanged.
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
