// SPDX-License-Identifier: Apache-2.0
//
// Messages of Neighbor Discovery for IPv6 (RFC 4861 §4), with the validation that a node must do on reception (§6.1,
// §7.1, §8.1). The checksum is not verified here.

/// The fields of the IPv6 header that the validation needs.
public struct NDPEnvelope: Hashable, Sendable, BitwiseCopyable {
  public var source: IPAddress
  public var destination: IPAddress
  public var hopLimit: UInt8

  /// 255: no router has forwarded the packet (RFC 4861 §3.1).
  @inlinable public static var hopLimit: UInt8 { 255 }

  public init(source: IPAddress, destination: IPAddress, hopLimit: UInt8) {
    self.source = source
    self.destination = destination
    self.hopLimit = hopLimit
  }
}

/// Offsets in messages, from the ICMPv6 header on.
public enum NDPField {
  /// Of solicitation, advertisement and redirect.
  @inlinable public static var target: Int { 8 }
  /// Of a redirect.
  @inlinable public static var redirected: Int { 24 }
  /// Of a neighbor advertisement, and of a router advertisement.
  @inlinable public static var neighborFlags: Int { 4 }
  @inlinable public static var currentHopLimit: Int { 4 }
  @inlinable public static var routerFlags: Int { 5 }
  @inlinable public static var routerLifetime: Int { 6 }
  @inlinable public static var reachableTime: Int { 8 }
  @inlinable public static var retransTimer: Int { 12 }
  /// Bytes before the options.
  @inlinable public static var routerSolicitationLength: Int { 8 }
  @inlinable public static var routerAdvertisementLength: Int { 16 }
  @inlinable public static var neighborLength: Int { 24 }
  @inlinable public static var redirectLength: Int { 40 }
}

/// The options behind a message's own `length` bytes; nil when the message is cut off, has a code other than 0 or was
/// forwarded by a router.
private func provenOptions(_ bytes: ByteView, after length: Int, _ envelope: NDPEnvelope)
  -> NDPOptions?
{
  guard envelope.hopLimit == NDPEnvelope.hopLimit, bytes.count >= length,
    bytes[ICMPField.code] == 0
  else { return nil }
  return NDPOptions(checking: bytes.dropFirst(length))
}

/// Router solicitation (§4.1).
public struct RouterSolicitation: BitwiseCopyable {
  public let options: NDPOptions

  /// §6.1.1. Nil for a message that must be discarded.
  public init?(checking bytes: ByteView, _ envelope: NDPEnvelope) {
    guard let options = provenOptions(bytes, after: NDPField.routerSolicitationLength, envelope),
      !envelope.source.isUnspecified || options.first(NDPOptionType.sourceLinkLayer) == nil
    else { return nil }
    self.options = options
  }
}

/// Router advertisement (§4.2).
public struct RouterAdvertisement: BitwiseCopyable {
  private let bytes: ByteView
  public let options: NDPOptions

  /// §6.1.2. Nil for a message that must be discarded.
  public init?(checking bytes: ByteView, _ envelope: NDPEnvelope) {
    guard !envelope.source.isV4, envelope.source.isLinkLocal,
      let options = provenOptions(bytes, after: NDPField.routerAdvertisementLength, envelope)
    else { return nil }
    self.bytes = bytes
    self.options = options
  }

  public var hopLimit: UInt8 { bytes[NDPField.currentHopLimit] }
  public var isManaged: Bool { bytes[NDPField.routerFlags] & 0x80 != 0 }
  public var hasOther: Bool { bytes[NDPField.routerFlags] & 0x40 != 0 }
  /// Router lifetime, seconds; 0: not a default router.
  public var lifetime: UInt16 { bytes.uint16(at: NDPField.routerLifetime) }
}

/// Neighbor solicitation: address resolution, unreachability or duplicate address detection (§4.3).
public struct NeighborSolicitation: BitwiseCopyable {
  private let bytes: ByteView
  public let options: NDPOptions
  /// Duplicate Address Detection (RFC 4862 §5.4.2): the sender does not have the address yet.
  public let isProbe: Bool

  /// §7.1.1. Nil for a message that must be discarded.
  public init?(checking bytes: ByteView, _ envelope: NDPEnvelope) {
    guard let options = provenOptions(bytes, after: NDPField.neighborLength, envelope) else {
      return nil
    }
    let target = bytes.ipv6Address(at: NDPField.target)
    isProbe = envelope.source.isUnspecified
    // IPv4-mapped addresses are never valid here (IPAddress.swift).
    guard !target.isMulticast, !target.isV4, !target.isUnspecified else { return nil }
    if isProbe {
      guard envelope.destination.isSolicitedNode,
        options.first(NDPOptionType.sourceLinkLayer) == nil
      else { return nil }
    }
    self.bytes = bytes
    self.options = options
  }

  public var target: IPAddress { bytes.ipv6Address(at: NDPField.target) }
  public var sender: MACAddress? { options.linkLayer(NDPOptionType.sourceLinkLayer) }
}

/// Neighbor advertisement (§4.4).
public struct NeighborAdvertisement: BitwiseCopyable {
  private let bytes: ByteView
  public let options: NDPOptions

  /// §7.1.2. Nil for a message that must be discarded.
  public init?(checking bytes: ByteView, _ envelope: NDPEnvelope) {
    guard let options = provenOptions(bytes, after: NDPField.neighborLength, envelope) else {
      return nil
    }
    let target = bytes.ipv6Address(at: NDPField.target)
    guard !target.isMulticast, !target.isV4, !target.isUnspecified else { return nil }
    self.bytes = bytes
    self.options = options
    guard !envelope.destination.isMulticast || !isSolicited else { return nil }
  }

  public var target: IPAddress { bytes.ipv6Address(at: NDPField.target) }
  public var isRouter: Bool { bytes[NDPField.neighborFlags] & 0x80 != 0 }
  public var isSolicited: Bool { bytes[NDPField.neighborFlags] & 0x40 != 0 }
  public var isOverride: Bool { bytes[NDPField.neighborFlags] & 0x20 != 0 }
  /// The target link-layer address, if the message has that option.
  public var targetMAC: MACAddress? { options.linkLayer(NDPOptionType.targetLinkLayer) }
}

/// A message of Neighbor Discovery to be sent: the ICMPv6 header and what follows it. The checksum covers the source
/// address, so the sender computes it.
public struct NDPMessage: Hashable, Sendable {
  public var header: ICMPHeader
  public var payload: [UInt8]

  /// §4.3. Carries the source link-layer address unless it is a probe.
  public static func solicitation(of target: IPAddress, from mac: MACAddress?) -> NDPMessage {
    var options = NDPOptionBytes()
    if let mac { options.addLinkLayer(NDPOptionType.sourceLinkLayer, mac) }
    return NDPMessage(
      header: ICMPHeader(type: ICMPv6Type.neighborSolicitation),
      payload: bytes(target) + options.bytes)
  }

  /// §4.4, of a router.
  /// - Parameter isSolicited: sent to the node that asked, not to all nodes.
  public static func advertisement(
    of target: IPAddress, at mac: MACAddress, isSolicited: Bool
  ) -> NDPMessage {
    var options = NDPOptionBytes()
    options.addLinkLayer(NDPOptionType.targetLinkLayer, mac)
    let flags: UInt32 = 0xa000_0000 | (isSolicited ? 0x4000_0000 : 0)
    return NDPMessage(
      header: ICMPHeader(type: ICMPv6Type.neighborAdvertisement, rest: flags),
      payload: bytes(target) + options.bytes)
  }

  /// §4.2. Reachable time and retransmission timer are unspecified (0).
  /// - Parameters:
  ///   - isManaged: M: addresses by DHCPv6.
  ///   - hasOther: O: other settings by DHCPv6.
  ///   - lifetime: seconds as a default router; 0: not a default router.
  public static func routerAdvertisement(
    hopLimit: UInt8, isManaged: Bool, hasOther: Bool, lifetime: UInt16, options: NDPOptionBytes
  ) -> NDPMessage {
    let flags: UInt32 = (isManaged ? 0x80 : 0) | (hasOther ? 0x40 : 0)
    return NDPMessage(
      header: ICMPHeader(
        type: ICMPv6Type.routerAdvertisement,
        rest: UInt32(hopLimit) << 24 | flags << 16 | UInt32(lifetime)),
      payload: [UInt8](repeating: 0, count: 8) + options.bytes)
  }

  private static func bytes(_ address: IPAddress) -> [UInt8] {
    [UInt8](capacity: 16) { out in
      out.storeV6(address, at: 0)
      return 16
    }
  }
}
