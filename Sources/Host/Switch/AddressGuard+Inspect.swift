// SPDX-License-Identifier: Apache-2.0
//
// What a guest's frame claims about addresses: the sender of an ARP packet (RFC 826, RFC 5227), the station that has
// an IPv6 address (RFC 4861, RFC 6620), the source of an IP packet, a DHCP server (RFC 2131, RFC 8415), an IPv6
// router (RFC 4861, RFC 6105).
//
// Other types cost two loads, and IP from the source of the port's previous packet of its family a few more. The
// guard looks behind priority tags (IEEE 802.1Q, VLAN 0), IPv6 extension headers (RFC 7113) and the encapsulation of
// RFC 1042; frames of a VLAN are not inspected. Thread: loop only.

import PluginAPI
import Wire

extension AddressGuard {
  enum Verdict {
    case pass
    /// ARP that claims another station's address.
    case arp(address: IPAddress)
    /// The same, but from a station without an address of its own, as its own claim: it may be the station that has
    /// the address, after a change of its Ethernet address.
    case change(address: IPAddress, owner: UInt64, mac: UInt64)
    /// IP from another station's address.
    case source(address: IPAddress, owner: UInt64)
    /// The same, but addressed to DHCP servers, and the plugin is one.
    case client(address: IPAddress, owner: UInt64)
    /// IP from an address that is none of the network's, and the guest is no router.
    case outside(address: IPAddress)
    /// Neighbor Discovery that claims another station's address.
    case neighbor(address: IPAddress, owner: UInt64)
    /// A probe of Duplicate Address Detection.
    case probe(address: IPAddress, mac: UInt64)
    /// An advertisement of an address that is bound to the station, or to none.
    case advertised(address: IPAddress, mac: UInt64)
    /// A message of a DHCP server.
    case dhcp
    /// A message of an IPv6 router.
    case router
    /// More headers than the guard follows.
    case overlong
  }

  /// Sources that a port may use, valid while the bindings have `revision`.
  struct Vouched {
    var mac: UInt64 = 0
    var address: UInt32 = 0
    var revision: UInt32 = 0
    var mac6: UInt64 = 0
    var address6 = IPAddress.anyV6
    var revision6: UInt32 = 0
    /// It may send from addresses of others.
    var isRouter = false
    /// The port's index.
    var port: Int32 = -1
  }

  private static let headerLimit = 8

  /// Inspects a guest's frame. Precondition: at least 14 bytes.
  /// - Parameter now: seconds of the switch's clock.
  @inline(__always)
  func inspect(
    _ frame: UnsafePointer<lnd_frame>, _ data: UnsafePointer<UInt8>,
    _ vouched: UnsafeMutablePointer<Vouched>, _ now: UInt32
  ) -> Verdict {
    let bytes = ByteView(data, count: Int(frame.pointee.length))
    let type = bytes.uint16(at: EthernetField.etherType)
    return switch type {
    case EtherType.ipv4, EtherType.arp, EtherType.ipv6, EtherType.vlan, EtherType.providerVLAN,
      0..<EtherType.first:
      inspect(type, bytes, vouched, now)
    default: .pass
    }
  }

  private func inspect(
    _ outer: UInt16, _ frame: ByteView, _ vouched: UnsafeMutablePointer<Vouched>, _ now: UInt32
  ) -> Verdict {
    var type = outer
    var packet = frame.dropFirst(EthernetHeader.encodedLength)
    var tags = 0
    while EtherType.isTag(type) {
      guard packet.count >= VLANTag.encodedLength else { return .pass }
      // Behind the tag's TPID, which is read already: control information and the next EtherType.
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
    case EtherType.ipv6: return watchesIPv6 ? inspectIPv6(packet, mac, vouched, now) : .pass
    default: return .pass
    }
  }

  private func inspectARP(_ packet: ByteView, _ mac: UInt64) -> Verdict {
    guard packet.count >= ARPHeader.encodedLength else { return .pass }
    let sender = packet.macAddress(at: ARPField.senderMAC).rawValue
    let address = packet.ipv4Address(at: ARPField.senderIP)
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
    let number = packet.uint32(at: IPv4Field.source)
    if number != vouched.pointee.address || mac != vouched.pointee.mac
      || revision != vouched.pointee.revision
    {
      let address = IPAddress(v4: number)
      if let owner = station(of: address), owner != mac {
        return servesDHCP && isUDP(packet, to: UDPPort.dhcpServer)
          ? .client(address: address, owner: owner) : .source(address: address, owner: owner)
      }
      if let security, !security.isLocal(v4: number), !isRouter(mac, vouched) {
        return .outside(address: address)
      }
      vouched.pointee.mac = mac
      vouched.pointee.address = number
      vouched.pointee.revision = revision
    }
    return servesDHCP && isUDP(packet, to: UDPPort.dhcpClient) ? .dhcp : .pass
  }

  private func isRouter(_ mac: UInt64, _ vouched: UnsafeMutablePointer<Vouched>) -> Bool {
    vouched.pointee.isRouter || security?.routerStations.contains(mac) == true
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

  @inline(__always)
  private func inspectIPv6(
    _ packet: ByteView, _ mac: UInt64, _ vouched: UnsafeMutablePointer<Vouched>, _ now: UInt32
  ) -> Verdict {
    guard packet.count >= IPv6Header.encodedLength else { return .pass }
    let address = packet.ipv6Address(at: IPv6Field.source)
    if address != vouched.pointee.address6 || mac != vouched.pointee.mac6
      || revision != vouched.pointee.revision6
    {
      // The table uses IPv4-mapped addresses for IPv4; in a packet they are invalid.
      if !address.isV4 {
        let owner =
          station(of: address)
          ?? tentative.other(than: vouched.pointee.port, of: address, now: now)
        if let owner, owner != mac { return .source(address: address, owner: owner) }
      }
      if security != nil, !isLocal(v6: address), !isRouter(mac, vouched) {
        return .outside(address: address)
      }
      vouched.pointee.mac6 = mac
      vouched.pointee.address6 = address
      vouched.pointee.revision6 = revision
    }
    let next = packet[IPv6Field.nextHeader]
    if next == IPProtocol.tcp { return .pass }
    return follow(
      next, packet.dropFirst(IPv6Header.encodedLength), mac, hasSource: !address.isUnspecified)
  }

  /// Follows the extension headers to the upper-layer header.
  private func follow(
    _ first: UInt8, _ payload: ByteView, _ mac: UInt64, hasSource: Bool
  ) -> Verdict {
    var next = first
    var rest = payload
    var isFragment = false
    for _ in 0..<Self.headerLimit {
      switch next {
      case IPProtocol.hopByHop, IPProtocol.routing, IPProtocol.fragment, IPProtocol.authentication,
        IPProtocol.destinationOptions, IPProtocol.mobility:
        break
      default:
        return lastHeader(next, rest, mac, isFragment: isFragment, hasSource: hasSource)
      }
      // Bytes beyond the frame's end are in another fragment, or missing.
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

  private func lastHeader(
    _ next: UInt8, _ rest: ByteView, _ mac: UInt64, isFragment: Bool, hasSource: Bool
  ) -> Verdict {
    switch next {
    case IPProtocol.icmpV6:
      guard rest.count > 0 else { return .pass }
      switch rest[ICMPField.type] {
      case ICMPv6Type.routerAdvertisement, ICMPv6Type.redirect: return servesDHCP ? .router : .pass
      case ICMPv6Type.neighborSolicitation, ICMPv6Type.neighborAdvertisement:
        // Fragmented Neighbor Discovery messages are invalid (RFC 6980 §5).
        return isFragment ? .overlong : inspectNeighbor(rest, mac, hasSource: hasSource)
      default: return .pass
      }
    case IPProtocol.udp:
      return servesDHCP && rest.count >= UDPField.length
        && rest.uint16(at: UDPField.destinationPort) == UDPPort.dhcpV6Client ? .dhcp : .pass
    default: return .pass
    }
  }

  /// A solicitation claims its source, which is already checked against the bindings; an advertisement claims its
  /// target, and a solicitation without a source will claim it (RFC 4862 §5.4.2). The Ethernet address is that of the
  /// option or of the frame (RFC 4861 §7.2.3, §7.2.5).
  private func inspectNeighbor(_ message: ByteView, _ mac: UInt64, hasSource: Bool) -> Verdict {
    guard message.count >= NDPField.neighborLength,
      let options = NDPOptions(checking: message.dropFirst(NDPField.neighborLength))
    else { return .pass }
    let isAdvertisement = message[ICMPField.type] == ICMPv6Type.neighborAdvertisement
    let target = message.ipv6Address(at: NDPField.target)
    let claimed = options.linkLayer(
      isAdvertisement ? NDPOptionType.targetLinkLayer : NDPOptionType.sourceLinkLayer)
    if let claimed, claimed.rawValue != mac {
      // It claims an address for another station: refused if either Ethernet address is bound.
      if isBound(mac) || isBound(claimed.rawValue) {
        return .neighbor(address: target, owner: claimed.rawValue)
      }
    }
    guard !target.isV4 else { return .pass }
    guard isAdvertisement else { return hasSource ? .pass : .probe(address: target, mac: mac) }
    guard let owner = station(of: target), owner != mac else {
      return .advertised(address: target, mac: mac)
    }
    return .neighbor(address: target, owner: owner)
  }
}
