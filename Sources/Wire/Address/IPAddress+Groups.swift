// SPDX-License-Identifier: Apache-2.0
//
// IPv6 addresses derived from others: multicast groups (RFC 4291 §2.7.1) and their Ethernet addresses (RFC 2464 §7),
// and link-local addresses derived from an Ethernet address (RFC 2464 §4, §5).

extension IPAddress {
  /// ff02::1
  @inlinable public static var allNodes: IPAddress { IPAddress(high: 0xff02 << 48, low: 1) }
  /// ff02::2
  @inlinable public static var allRouters: IPAddress { IPAddress(high: 0xff02 << 48, low: 2) }
  /// ff02::16: the destination of MLDv2 reports (RFC 3810 §5.2.14).
  @inlinable public static var allMLDv2Routers: IPAddress {
    IPAddress(high: 0xff02 << 48, low: 0x16)
  }
  /// ff02::1:2 (RFC 8415 §7.1)
  @inlinable public static var allDHCPAgents: IPAddress {
    IPAddress(high: 0xff02 << 48, low: 0x1_0002)
  }

  /// ff02::1:ffXX:XXXX: the group of all nodes whose address ends in these three bytes.
  @inlinable
  public var solicitedNode: IPAddress {
    IPAddress(high: 0xff02 << 48, low: 0x1_ff00_0000 | low & 0xff_ffff)
  }

  /// The interface identifier derived from an Ethernet address (RFC 4291, appendix A).
  public static func interfaceIdentifier(of mac: MACAddress) -> UInt64 {
    let value = mac.rawValue
    return ((value >> 24) << 40 | 0xff_fe00_0000 | value & 0xff_ffff) ^ 0x0200_0000_0000_0000
  }

  /// The Ethernet address that the interface identifier is derived from; nil: it has not the form of one.
  public var interfaceMAC: MACAddress? {
    guard !isV4, low >> 24 & 0xffff == 0xfffe else { return nil }
    let identifier = low ^ 0x0200_0000_0000_0000
    return MACAddress((identifier >> 40) << 24 | identifier & 0xff_ffff)
  }

  /// fe80::/64 with the interface identifier of an Ethernet address.
  public static func linkLocal(of mac: MACAddress) -> IPAddress {
    IPAddress(high: 0xfe80 << 48, low: interfaceIdentifier(of: mac))
  }
}

extension MACAddress {
  /// 33:33 and the last four bytes: the Ethernet destination of an IPv6 group.
  @inlinable
  public init(group: IPAddress) {
    self.init(0x3333_0000_0000 | group.low & 0xffff_ffff)
  }
}
