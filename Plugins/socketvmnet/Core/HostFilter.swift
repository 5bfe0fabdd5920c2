// SPDX-License-Identifier: Apache-2.0
//
// HostFilter: which frames may pass between the guests and the host's own network stack, which are connected by a TAP
// with the gateway's address. Guests must reach only that address of the host by it, whatever the settings of
// ip_forward and rp_filter; guests must not see other addresses of the host.
//
// To the host: IPv4 of a guest's address to the gateway's, TCP, UDP and ICMP that a host has use
// for; ARP of a guest that asks for the gateway, answers it or announces itself, so that the
// host knows where the guest is as on any wire (RFC 826, "packet reception"; RFC 5227 §2.3), also
// when it is elsewhere than before: what is claimed of others' addresses the switch has dropped by
// then (Host/Switch/AddressGuard); datagrams to the subnet's broadcast address and to the local network's
// multicast groups (224.0.0.0/24, RFC 5771 §4), for mDNS and the like. Never DHCP, redirects
// (RFC 792), router discovery (RFC 1256), IP options, other protocols, VLAN tags.
// Of IPv6 the same (HostFilter+IPv6.swift).
// From the host: IPv4 and ARP (RFC 826) of the gateway's addresses, to the subnet and those groups.
//
// A value without state; frames of at least 14 bytes, borrowed. Thread: any.

import Wire

/// See the head of this file.
package struct HostFilter: Sendable {
  /// The destination of a guest's frame.
  package enum Way: Sendable, Equatable {
    /// The network's stack: DHCP, DNS, ARP for the gateway, and everything routed elsewhere.
    case stack
    /// The host, unless it belongs to a flow of the network's stack.
    case host
    /// The host and the network's stack.
    case both
    /// Dropped.
    case drop
  }

  /// The gateway's Ethernet address: 48 bits, first byte highest.
  let mac: UInt64
  let gateway: UInt32
  let network: UInt32
  let mask: UInt32
  /// Port 53 of the gateway's address is the network's DNS, not a server of the host.
  let servesDNS: Bool
  /// Of a /64; nil: no IPv6 crosses.
  let gateway6: IPAddress?
  /// The gateway's on the link, of its Ethernet address.
  let linkLocal: IPAddress

  package init(
    mac: UInt64, gateway: UInt32, prefixLength: Int, servesDNS: Bool, gateway6: IPAddress? = nil
  ) {
    self.gateway6 = gateway6
    linkLocal = .linkLocal(of: MACAddress(mac))
    self.mac = mac
    self.gateway = gateway
    mask = ~UInt32(0) << UInt32(32 - prefixLength)
    network = gateway & mask
    self.servesDNS = servesDNS
  }

  // MARK: From guests

  /// The destination of a frame that a guest sent to the gateway or to all stations.
  @inline(__always)
  package func fromGuest(_ frame: ByteView) -> Way {
    let destination = frame.macAddress(at: EthernetField.destination)
    let type = frame.uint16(at: EthernetField.etherType)
    let packet = frame.dropFirst(EthernetHeader.encodedLength)
    if destination.rawValue == mac {
      switch type {
      case EtherType.ipv4: return fromGuestIPv4(packet)
      case EtherType.ipv6: return fromGuestIPv6(packet, of: frame)
      case EtherType.arp: return tellsHost(packet, of: frame) ? .both : .stack
      default: return .stack
      }
    }
    guard destination.isMulticast else { return .stack }
    switch type {
    case EtherType.ipv4: return isGroupDatagram(packet) ? .host : .stack
    case EtherType.ipv6: return toGroupIPv6(packet, of: frame)
    case EtherType.arp: return tellsHost(packet, of: frame) ? .both : .stack
    default: return .stack
    }
  }

  @inline(__always)
  private func fromGuestIPv4(_ ip: ByteView) -> Way {
    guard ip.count >= IPv4Header.encodedLength, ip.uint32(at: IPv4Field.destination) == gateway,
      isGuest(ip.uint32(at: IPv4Field.source))
    else { return .stack }
    guard ip[IPv4Field.versionAndLength] == IPv4Header.versionAndLength else { return .drop }
    let fragment = ip.uint16(at: IPv4Field.fragment)
    // Only the first fragment of a datagram has its ports; without it the others are useless.
    if fragment & IPv4FragmentBits.offset != 0 { return .host }
    let isFirst = fragment & IPv4FragmentBits.moreFragments != 0
    let payload = ip.dropFirst(IPv4Header.encodedLength)
    switch ip[IPv4Field.protocolNumber] {
    case IPProtocol.tcp:
      guard payload.count >= TCPField.sequence else { return .drop }
      return payload.uint16(at: TCPField.destinationPort) == UDPPort.dns && servesDNS
        ? .stack : .host
    case IPProtocol.udp:
      guard payload.count >= UDPHeader.encodedLength else { return .drop }
      switch payload.uint16(at: UDPField.destinationPort) {
      case UDPPort.dns where servesDNS, UDPPort.dhcpServer: return isFirst ? .drop : .stack
      case UDPPort.dhcpClient: return .drop
      default: return .host
      }
    case IPProtocol.icmp:
      guard payload.count >= ICMPHeader.encodedLength else { return .drop }
      switch payload[ICMPField.type] {
      case ICMPv4Type.echoReply, ICMPv4Type.echoRequest, ICMPv4Type.timeExceeded,
        ICMPv4Type.parameterProblem:
        return .host
      case ICMPv4Type.destinationUnreachable: return .both
      default: return .drop
      }
    default: return .stack
    }
  }

  /// ARP that gives a guest's address, for both stacks: a request or reply for the gateway, or an announcement of its
  /// own address.
  private func tellsHost(_ packet: ByteView, of frame: ByteView) -> Bool {
    guard let arp = ARPPacket(checking: packet),
      arp.operation == ARPHeader.request || arp.operation == ARPHeader.reply
    else { return false }
    let sender = packet.uint32(at: ARPField.senderIP)
    let target = packet.uint32(at: ARPField.targetIP)
    return (target == gateway || target == sender) && isGuest(sender)
      && arp.senderMAC == frame.macAddress(at: EthernetField.source)
  }

  /// UDP to the subnet's broadcast address, or to a group of the local network.
  private func isGroupDatagram(_ ip: ByteView) -> Bool {
    guard ip.count >= IPv4Header.encodedLength + UDPHeader.encodedLength,
      ip[IPv4Field.versionAndLength] == IPv4Header.versionAndLength,
      ip[IPv4Field.protocolNumber] == IPProtocol.udp, isWhole(ip),
      isGuest(ip.uint32(at: IPv4Field.source)), isForAll(ip.uint32(at: IPv4Field.destination))
    else { return false }
    switch ip.uint16(at: IPv4Header.encodedLength + UDPField.destinationPort) {
    case UDPPort.dhcpServer, UDPPort.dhcpClient, UDPPort.dns: return false
    default: return true
    }
  }

  private func isWhole(_ ip: ByteView) -> Bool {
    ip.uint16(at: IPv4Field.fragment)
      & (IPv4FragmentBits.offset | IPv4FragmentBits.moreFragments) == 0
  }

  // MARK: From the host

  /// Whether a frame of the host may be sent to guests.
  @inline(__always)
  package func fromHost(_ frame: ByteView) -> Bool {
    guard frame.macAddress(at: EthernetField.source).rawValue == mac else { return false }
    let packet = frame.dropFirst(EthernetHeader.encodedLength)
    switch frame.uint16(at: EthernetField.etherType) {
    case EtherType.ipv4:
      guard packet.count >= IPv4Header.encodedLength else { return false }
      let destination = packet.uint32(at: IPv4Field.destination)
      guard packet.uint32(at: IPv4Field.source) == gateway,
        isGuest(destination) || isForAll(destination)
      else { return false }
      return !isReserved(packet)
    case EtherType.arp:
      return packet.count >= ARPHeader.encodedLength
        && packet.macAddress(at: ARPField.senderMAC).rawValue == mac
        && packet.uint32(at: ARPField.senderIP) == gateway
        && isGuest(packet.uint32(at: ARPField.targetIP))
    case EtherType.ipv6: return fromHostIPv6(packet)
    default: return false
    }
  }

  /// Messages that only the network's stack may send: DHCP and router discovery.
  private func isReserved(_ ip: ByteView) -> Bool {
    let header = Int(ip[IPv4Field.versionAndLength] & 0x0f) * 4
    guard ip.uint16(at: IPv4Field.fragment) & IPv4FragmentBits.offset == 0,
      header >= IPv4Header.encodedLength, ip.count >= header + UDPHeader.encodedLength
    else { return false }
    let payload = ip.dropFirst(header)
    switch ip[IPv4Field.protocolNumber] {
    case IPProtocol.icmp:
      let type = payload[ICMPField.type]
      return type == ICMPv4Type.redirect || type == ICMPv4Type.routerAdvertisement
    case IPProtocol.udp:
      return payload.uint16(at: UDPField.destinationPort) == UDPPort.dhcpClient
        || payload.uint16(at: UDPField.sourcePort) == UDPPort.dhcpServer
    default: return false
    }
  }

  // MARK: Addresses

  /// Whether a guest may have the address.
  @inline(__always)
  private func isGuest(_ address: UInt32) -> Bool {
    address & mask == network && address != gateway && address & ~mask != 0
      && address | mask != ~0
  }

  @inline(__always)
  private func isForAll(_ address: UInt32) -> Bool {
    address == network | ~mask || address == ~0 || address & 0xffff_ff00 == 0xe000_0000
  }
}
