// SPDX-License-Identifier: Apache-2.0
//
// What an Ethernet frame may have between its addresses and its packet besides an EtherType: the tag of IEEE 802.1Q
// (9.3) and the LLC/SNAP header of RFC 1042.

/// An 802.1Q tag; it begins where an untagged frame has its EtherType.
public enum VLANTag {
  /// Bytes of a tag.
  @inlinable public static var encodedLength: Int { 4 }
  /// Offsets from the tag's own EtherType: control information, and the type of what follows.
  @inlinable public static var control: Int { 2 }
  @inlinable public static var etherType: Int { 4 }
  /// The VLAN identifier in the control information; 0: a priority tag without a VLAN (6.9.1).
  @inlinable public static var identifierMask: UInt16 { 0x0fff }
}

/// An LLC header with SNAP and an EtherType, behind the length field of an IEEE 802.3 frame.
public enum SNAPHeader {
  @inlinable public static var encodedLength: Int { 8 }
  /// DSAP and SSAP 170, unnumbered information, organization 0: the first six bytes.
  @inlinable public static var prefix: UInt64 { 0xaaaa_0300_0000 }

  /// The header's EtherType, or nil when it is not LLC/SNAP.
  @inlinable @inline(__always)
  public static func etherType(_ bytes: ByteView) -> UInt16? {
    guard bytes.count >= encodedLength else { return nil }
    let header = bytes.uint64(at: 0)
    return header >> 16 == prefix ? UInt16(truncatingIfNeeded: header) : nil
  }
}
