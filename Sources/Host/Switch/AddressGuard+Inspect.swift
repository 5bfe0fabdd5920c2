// SPDX-License-Identifier: Apache-2.0
//
// What a guest's frame claims to be: the sender of an ARP packet (RFC 826, RFC 5227), the source
// of an IPv4 packet, a DHCP server (RFC 2131, RFC 8415), an IPv6 router (RFC 4861, RFC 6105).
//
// Other types cost two loads, and IPv4 from where the port's last packet came from two more.
// Tags of priority, which receivers take off (IEEE 802.1Q, VLAN 0), hide nothing, nor do IPv6
// extension headers (RFC 7113) and the encapsulation of RFC 1042; frames of a VLAN are its own
// affair. Thread: loop only.

import PluginAPI
import Wire

extension AddressGuard {
  enum Verdict {
    case pass
    /// ARP that puts somebody's address elsewhere.
    case arp(address: UInt32)
    /// The same, but by a station that has no address of its own, in its own name: it may be who
    /// has the address, with another Ethernet address than before.
    case change(address: UInt32, owner: UInt64, mac: UInt64)
    /// IPv4 from somebody else's address.
    case source(address: UInt32, owner: UInt64)
    /// The same, but it is for DHCP servers, and the plugin is one.
    case client(address: UInt32, owner: UInt64)
    /// The words of a DHCP server.
    case dhcp
    /// The words of an IPv6 router.
    case router
    /// More headers than anybody has use for.
    case overlong
  }

  /// An IPv4 source that a port may use, as found when the bindings had `revision`.
  struct Vouched {
    var mac: UInt64 = 0
    var address: UInt32 = 0
    var revision: UInt32 = 0
  }

  private static let headerLimit = 8

  /// What a guest's frame of at least 14 bytes claims.
  @inline(__always)
  func inspect(
    _ frame: UnsafePointer<lnd_frame>, _ data: UnsafePointer<UInt8>,
    _ vouched: UnsafeMutablePointer<Vouched>
  ) -> Verdict {
    let bytes = ByteView(data, count: Int(frame.pointee.length))
    let type = bytes.uint16(at: EthernetField.etherType)
    return switch type {
    case EtherType.ipv4, EtherType.arp, EtherType.ipv6, EtherType.vlan, EtherType.providerVLAN,
      0..<EtherType.first:
      inspect(type, bytes, vouched)
    default: .pass
    }
  }

  private func inspect(
    _ outer: UInt16, _ frame: ByteView, _ vouched: UnsafeMutablePointer<Vouched>
  ) -> Verdict {
    var type = outer
    var packet = frame.dropFirst(EthernetHeader.encodedLength)
    var tags = 0
    while EtherType.isTag(type) {
      guard packet.count >= VLANTag.encodedLength else { return .pass }
      // Behind a tag's own type, which is read already: its control information and the next type.
      if packet.uint16(at: VLANTag.control - 2) & VLANTag.identifierMask != 0 { return .pass }
      if tags == Self.headerLimit { return .overlong }
      tags += 1
      type = packet.uint16(at: VLANTag.etherType - 2)
      packet = packet.dropFirst(VLANTag.encodedLength)
    }
    if type < EtherType.first, let encapsulated = SNAPHeader.etherType(packet) {
      type = encapsulated
      packet = packet.dropFirst(SNAPHeader.encodedLength)
    }
    let mac = frame.macAddress(at: EthernetField.source).rawValue
    switch type {
    case EtherType.arp: return inspectARP(packet, mac)
    case EtherType.ipv4: return inspectIPv4(packet, mac, vouched)
    case EtherType.ipv6: return servesDHCP ? inspectIPv6(packet) : .pass
    default: return .pass
    }
  }

  private func inspectARP(_ packet: ByteView, _ mac: UInt64) -> Verdict {
    guard packet.count >= ARPHeader.encodedLength else { return .pass }
    let sender = packet.macAddress(at: ARPField.senderMAC).rawValue
    let address = packet.uint32(at: ARPField.senderIP)
    guard let owner = station(of: address) else { return .pass }
    guard sender == mac else { return .arp(address: address) }
    if mac == owner { return .pass }
    return isOwn(owner) || isBound(mac)
      ? .arp(address: address) : .change(address: address, owner: owner, mac: mac)
  }

  @inline(__always)
  private func inspectIPv4(
    _ packet: ByteView, _ mac: UInt64, _ vouched: UnsafeMutablePointer<Vouched>
  ) -> Verdict {
    guard packet.count >= IPv4Header.encodedLength else { return .pass }
    let address = packet.uint32(at: IPv4Field.source)
    if address != vouched.pointee.address || mac != vouched.pointee.mac
      || revision != vouched.pointee.revision
    {
      if let owner = station(of: address), owner != mac {
        return servesDHCP && isUDP(packet, to: UDPPort.dhcpServer)
          ? .client(address: address, owner: owner) : .source(address: address, owner: owner)
      }
      vouched.pointee = Vouched(mac: mac, address: address, revision: revision)
    }
    return servesDHCP && isUDP(packet, to: UDPPort.dhcpClient) ? .dhcp : .pass
  }

  /// UDP to a port, in a first fragment or a whole packet.
  @inline(__always)
  private func isUDP(_ packet: ByteView, to port: UInt16) -> Bool {
    guard packet[IPv4Field.protocolNumber] == IPProtocol.udp else { return false }
    let header = Int(packet[IPv4Field.versionAndLength] & 0x0f) * 4
    guard header >= IPv4Header.encodedLength,
      packet.uint16(at: IPv4Field.fragment) & IPv4FragmentBits.offset == 0,
      packet.count >= header + UDPField.length
    else { return false }
    return packet.uint16(at: header + UDPField.destinationPort) == port
  }

  /// Follows the headers to what the packet is about.
  private func inspectIPv6(_ packet: ByteView) -> Verdict {
    guard packet.count >= IPv6Header.encodedLength else { return .pass }
    var next = packet[IPv6Field.nextHeader]
    var rest = packet.dropFirst(IPv6Header.encodedLength)
    var isFragment = false
    for _ in 0..<Self.headerLimit {
      switch next {
      case IPProtocol.hopByHop, IPProtocol.routing, IPProtocol.fragment, IPProtocol.authentication,
        IPProtocol.destinationOptions, IPProtocol.mobility:
        break
      default: return lastHeader(next, rest)
      }
      // What is beyond the frame's end is in another fragment, or nowhere.
      guard rest.count >= IPv6ExtensionField.minimumLength else {
        return isFragment ? .overlong : .pass
      }
      let units = Int(rest[IPv6ExtensionField.length])
      let length: Int
      switch next {
      case IPProtocol.fragment:
        guard
          rest.uint16(at: IPv6ExtensionField.fragment) & IPv6ExtensionField.fragmentOffsetMask == 0
        else { return .pass }
        isFragment = true
        length = IPv6ExtensionField.minimumLength
      case IPProtocol.authentication: length = (units + 2) * 4
      default: length = (units + 1) * 8
      }
      next = rest[IPv6ExtensionField.nextHeader]
      guard length < rest.count else { return isFragment ? .overlong : .pass }
      rest = rest.dropFirst(length)
    }
    return .overlong
  }

  private func lastHeader(_ next: UInt8, _ rest: ByteView) -> Verdict {
    switch next {
    case IPProtocol.icmpV6:
      rest.count > 0 && rest[ICMPField.type] == ICMPv6Type.routerAdvertisement ? .router : .pass
    case IPProtocol.udp:
      rest.count >= UDPField.length
        && rest.uint16(at: UDPField.destinationPort) == UDPPort.dhcpV6Client ? .dhcp : .pass
    default: .pass
    }
  }
}
