// SPDX-License-Identifier: Apache-2.0
//
// What may stand between an Ethernet frame's addresses and its packet besides an EtherType: the tag of
// IEEE 802.1Q (9.3) and the LLC/SNAP header of RFC 1042.

/// The tag, which begins where the EtherType of a frame without one is.
public enum VLANTag {
  /// Bytes of a tag.
  public static let encodedLength = 4
  /// Offsets from the tag's own EtherType: control information, and the type of what follows.
  public static let control = 2
  public static let etherType = 4
  /// The VLAN identifier in the control information; 0 says a priority and no VLAN (6.9.1).
  public static let identifierMask: UInt16 = 0x0fff
}

/// An LLC header for SNAP, and SNAP for an Ethernet type, behind the length of an IEEE 802.3 frame.
public enum SNAPHeader {
  public static let encodedLength = 8
  /// DSAP and SSAP 170, unnumbered information, organization 0: the first six bytes.
  public static let prefix: UInt64 = 0xaaaa_0300_0000

  /// The Ethernet type that it says, or nil when it is another header.
  @inline(__always)
  public static func etherType(_ bytes: ByteView) -> UInt16? {
    guard bytes.count >= encodedLength else { return nil }
    let header = bytes.uint64(at: 0)
    return header >> 16 == prefix ? UInt16(truncatingIfNeeded: header) : nil
  }
}
