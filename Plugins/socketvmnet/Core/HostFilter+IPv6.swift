// SPDX-License-Identifier: Apache-2.0
//
// HostFilter of IPv6.
//
// To the host: of a guest's address of the network to the gateway's, TCP, UDP and ICMPv6 that a host has use for; neighbour
// solicitations for the gateway's addresses and advertisements of guests' own (RFC 4861 §7), each with the Ethernet address
// that it came from, so that the host knows where the guest is; datagrams to groups of the link (ff02::/16), for mDNS and
// the like. Never router discovery, redirects, DHCPv6, MLD, extension headers but fragments, or what is for the gateway's
// link-local address.
// From the host: of the gateway's address to guests and those groups; neighbour solicitations and datagrams to groups of its
// link-local address, too. Whose the gateway's addresses are NetStack alone says.

import Wire

extension HostFilter {
  /// The upper-layer protocol of a packet, also of a first fragment.
  private struct Layer {
    var number: UInt8
    var payload: ByteView
    /// In pieces: of the first one `payload` is the beginning, of the others nothing is known.
    var isFragment = false
    var isLater = false
  }

  /// Nil for unsupported extension headers, and for truncated packets.
  private func layer(of ip: ByteView) -> Layer? {
    var layer = Layer(
      number: ip[IPv6Field.nextHeader], payload: ip.dropFirst(IPv6Header.encodedLength))
    guard layer.number == IPProtocol.fragment else { return layer }
    guard layer.payload.count >= IPv6ExtensionField.minimumLength else { return nil }
    let field = layer.payload.uint16(at: IPv6ExtensionField.fragment)
    layer.isFragment = true
    layer.isLater = field & IPv6ExtensionField.fragmentOffsetMask != 0
    layer.number = layer.payload[IPv6ExtensionField.nextHeader]
    layer.payload = layer.payload.dropFirst(IPv6ExtensionField.minimumLength)
    return layer
  }

  // MARK: From guests

  /// In a frame for the gateway.
  @inline(__always)
  func fromGuestIPv6(_ ip: ByteView, of frame: ByteView) -> Way {
    guard let gateway6, ip.count >= IPv6Header.encodedLength, ip[0] >> 4 == 6 else { return .stack }
    let destination = ip.ipv6Address(at: IPv6Field.destination)
    guard destination == gateway6 else {
      // Neighbours of the link-local address, and nothing else by it.
      return destination == linkLocal && tellsHostIPv6(ip, of: frame) ? .both : .stack
    }
    guard let layer = layer(of: ip) else { return .drop }
    if layer.number == IPProtocol.icmpV6, !layer.isFragment, isNeighborDiscovery(layer.payload) {
      return tellsHostIPv6(ip, of: frame) ? .both : .stack
    }
    guard isGuest(ip.ipv6Address(at: IPv6Field.source)) else { return .stack }
    if layer.isLater { return .host }
    switch layer.number {
    case IPProtocol.tcp:
      guard layer.payload.count >= TCPField.sequence else { return .drop }
      return layer.payload.uint16(at: TCPField.destinationPort) == UDPPort.dns && servesDNS
        ? .stack : .host
    case IPProtocol.udp:
      guard layer.payload.count >= UDPHeader.encodedLength else { return .drop }
      switch layer.payload.uint16(at: UDPField.destinationPort) {
      case UDPPort.dns where servesDNS, UDPPort.dhcpV6Server:
        return layer.isFragment ? .drop : .stack
      case UDPPort.dhcpV6Client: return .drop
      default: return .host
      }
    case IPProtocol.icmpV6:
      guard layer.payload.count >= ICMPHeader.encodedLength else { return .drop }
      switch layer.payload[ICMPField.type] {
      case ICMPv6Type.echoRequest, ICMPv6Type.echoReply, ICMPv6Type.timeExceeded,
        ICMPv6Type.parameterProblem:
        return .host
      case ICMPv6Type.destinationUnreachable, ICMPv6Type.packetTooBig: return .both
      case ICMPv6Type.routerSolicitation: return .stack
      default: return .drop
      }
    default: return layer.isFragment ? .drop : .stack
    }
  }

  /// In a frame for all, or for a group.
  func toGroupIPv6(_ ip: ByteView, of frame: ByteView) -> Way {
    guard gateway6 != nil, ip.count >= IPv6Header.encodedLength, ip[0] >> 4 == 6 else {
      return .stack
    }
    if tellsHostIPv6(ip, of: frame) { return .both }
    let source = ip.ipv6Address(at: IPv6Field.source)
    guard ip[IPv6Field.nextHeader] == IPProtocol.udp,
      ip.count >= IPv6Header.encodedLength + UDPHeader.encodedLength,
      isGuest(source) || isNeighbor(source), isGroup(ip.ipv6Address(at: IPv6Field.destination))
    else { return .stack }
    switch ip.uint16(at: IPv6Header.encodedLength + UDPField.destinationPort) {
    case UDPPort.dhcpV6Server, UDPPort.dhcpV6Client, UDPPort.dns: return .stack
    default: return .host
    }
  }

  private func isNeighborDiscovery(_ message: ByteView) -> Bool {
    guard message.count >= ICMPHeader.encodedLength else { return false }
    let type = message[ICMPField.type]
    return type == ICMPv6Type.neighborSolicitation || type == ICMPv6Type.neighborAdvertisement
  }

  /// A solicitation for one of the gateway's addresses, or an advertisement of a guest's own. Those of guests that are about
  /// to use an address have no source: they are not the host's.
  private func tellsHostIPv6(_ ip: ByteView, of frame: ByteView) -> Bool {
    let payload = ip.dropFirst(IPv6Header.encodedLength)
    guard ip[IPv6Field.nextHeader] == IPProtocol.icmpV6, isNeighborDiscovery(payload) else {
      return false
    }
    let source = ip.ipv6Address(at: IPv6Field.source)
    let destination = ip.ipv6Address(at: IPv6Field.destination)
    let mac = frame.macAddress(at: EthernetField.source)
    let envelope = NDPEnvelope(
      source: source, destination: destination, hopLimit: ip[IPv6Field.hopLimit])
    let length = Int(ip.uint16(at: IPv6Field.payloadLength))
    guard isGuest(source) || isNeighbor(source), length <= payload.count else { return false }
    let message = payload.prefix(length)
    if payload[ICMPField.type] == ICMPv6Type.neighborSolicitation {
      guard let solicitation = NeighborSolicitation(checking: message, envelope) else {
        return false
      }
      return isOwn(solicitation.target) && solicitation.sender ?? mac == mac
        && (isOwn(destination) || destination.isSolicitedNode)
    }
    guard let advertisement = NeighborAdvertisement(checking: message, envelope) else {
      return false
    }
    let target = advertisement.target
    return (isGuest(target) || isNeighbor(target)) && advertisement.targetMAC ?? mac == mac
      && (isOwn(destination) || destination == .allNodes)
  }

  // MARK: From the host

  func fromHostIPv6(_ ip: ByteView) -> Bool {
    guard let gateway6, ip.count >= IPv6Header.encodedLength, ip[0] >> 4 == 6,
      let layer = layer(of: ip)
    else { return false }
    let source = ip.ipv6Address(at: IPv6Field.source)
    let destination = ip.ipv6Address(at: IPv6Field.destination)
    guard isOwn(source), isGuest(destination) || isNeighbor(destination) || isGroup(destination)
    else { return false }
    if layer.isLater { return source == gateway6 }
    switch layer.number {
    case IPProtocol.icmpV6:
      guard layer.payload.count >= ICMPHeader.encodedLength else { return false }
      switch layer.payload[ICMPField.type] {
      case ICMPv6Type.neighborSolicitation:
        let target = IPv6Header.encodedLength + NDPField.target
        guard !layer.isFragment, ip.count >= target + 16 else { return false }
        let address = ip.ipv6Address(at: target)
        return isGuest(address) || isNeighbor(address)
      // Where routers are, and who is in which group, is ours to say; and so is who has the gateway's addresses: the host
      // says of itself that it is no router, and guests would take it off their list (RFC 4861 §7.2.5).
      case ICMPv6Type.listenerQuery...ICMPv6Type.redirect, ICMPv6Type.listenerReportV2: return false
      default: return source == gateway6
      }
    case IPProtocol.udp:
      guard layer.payload.count >= UDPHeader.encodedLength,
        layer.payload.uint16(at: UDPField.destinationPort) != UDPPort.dhcpV6Client,
        layer.payload.uint16(at: UDPField.sourcePort) != UDPPort.dhcpV6Server
      else { return false }
      return source == gateway6 || destination.isMulticast
    case IPProtocol.tcp: return source == gateway6
    default: return false
    }
  }

  // MARK: Addresses

  private func isOwn(_ address: IPAddress) -> Bool { address == gateway6 || address == linkLocal }

  /// Of the network, and whether a guest may have it.
  private func isGuest(_ address: IPAddress) -> Bool {
    guard let gateway6 else { return false }
    return address.high == gateway6.high && !address.isV4 && address.low != 0 && address != gateway6
  }

  /// A guest's link-local address.
  private func isNeighbor(_ address: IPAddress) -> Bool {
    !address.isV4 && address.isLinkLocal && address != linkLocal
  }

  /// ff02::/16: of this link.
  private func isGroup(_ address: IPAddress) -> Bool { address.high >> 48 == 0xff02 }
}
