// SPDX-License-Identifier: Apache-2.0
//
// Messages from guests: Neighbor Discovery (RFC 4861 §6.2.6, §7.2), Duplicate Address Detection (RFC 4862 §5.4) and DHCPv6.
// The stack has checked IPv6 lengths and checksums.

import Wire

extension IPv6Control {
  /// Router advertisements and redirects from guests are ignored, as are MLD reports: the gateway forwards no multicast.
  package func receive(_ message: ICMPv6Packet, _ packet: InboundPacket) {
    let envelope = NDPEnvelope(
      source: packet.source, destination: packet.destination, hopLimit: packet.hopLimit)
    switch message.type {
    case ICMPv6Type.routerSolicitation: routerSolicitation(packet, envelope)
    case ICMPv6Type.neighborSolicitation: neighborSolicitation(packet, envelope)
    case ICMPv6Type.neighborAdvertisement: neighborAdvertisement(packet, envelope)
    default: break
    }
  }

  private func invalid() { counters.invalid &+= 1 }

  /// Whether a guest may have the address: it is link-local, or in the network's prefix.
  func isGuests(_ address: IPAddress) -> Bool {
    guard !address.isV4, address.isUnicast, !address.isLoopback, !isOwn(address) else {
      return false
    }
    // The prefix with an interface identifier of 0 is the Subnet-Router anycast address (RFC 4291 §2.6.1).
    return address.isLinkLocal
      || configuration.prefix.contains(address) && address != configuration.prefix.network
  }

  // MARK: Routers

  private func routerSolicitation(_ packet: InboundPacket, _ envelope: NDPEnvelope) {
    guard let message = RouterSolicitation(checking: packet.payload, envelope) else {
      return invalid()
    }
    counters.solicitations &+= 1
    if let sender = message.options.linkLayer(NDPOptionType.sourceLinkLayer),
      sender != packet.sourceMAC
    {
      return invalid()
    }
    guard answers.take(packet.sourceMAC, now: stack.now) else { return }
    guard !packet.source.isUnspecified else {
      return advertise(at: packet.sourceMAC, on: packet.link)
    }
    guard learn(packet.source, from: packet.sourceMAC, on: packet.link) else { return }
    advertise(to: packet.source, at: packet.sourceMAC, on: packet.link)
  }

  // MARK: Neighbors

  private func neighborSolicitation(_ packet: InboundPacket, _ envelope: NDPEnvelope) {
    guard let message = NeighborSolicitation(checking: packet.payload, envelope) else {
      return invalid()
    }
    counters.neighborSolicitations &+= 1
    let target = message.target
    if message.isProbe {
      guard isOwn(target) else { return probed(target, packet) }
      // One of the stack's addresses, which a guest must not configure (RFC 4862 §5.4.3, RFC 4861 §7.2.4).
      guard answers.take(packet.sourceMAC, now: stack.now) else { return }
      return advertise(target, to: .allNodes, at: packet.sourceMAC, isSolicited: false, packet.link)
    }
    if let sender = message.sender, sender != packet.sourceMAC { return invalid() }
    guard learn(packet.source, from: packet.sourceMAC, on: packet.link), isOwn(target),
      answers.take(packet.sourceMAC, now: stack.now)
    else { return }
    advertise(target, to: packet.source, at: packet.sourceMAC, isSolicited: true, packet.link)
  }

  private func advertise(
    _ target: IPAddress, to destination: IPAddress, at mac: MACAddress, isSolicited: Bool,
    _ link: UInt32
  ) {
    counters.neighborAdvertisements &+= 1
    send(
      .advertisement(of: target, at: configuration.mac, isSolicited: isSolicited), from: target,
      to: destination, at: mac, on: link)
  }

  private func neighborAdvertisement(_ packet: InboundPacket, _ envelope: NDPEnvelope) {
    guard let message = NeighborAdvertisement(checking: packet.payload, envelope),
      message.targetMAC ?? packet.sourceMAC == packet.sourceMAC
    else { return invalid() }
    _ = learn(message.target, from: packet.sourceMAC, on: packet.link)
  }

  /// A guest performs Duplicate Address Detection for an address.
  private func probed(_ address: IPAddress, _ packet: InboundPacket) {
    let mac = packet.sourceMAC
    let guest = self.guest?(mac) ?? 0
    guard isGuests(address),
      isKnown(address, mac, packet.link) || claims.take(guest, now: stack.now)
    else { return }
    _ = update(packet.link) {
      $0.addresses.probed(
        address, by: mac, guest: guest, now: stack.now, mayReplace: { mayReplace($0, by: mac) })
    }
  }

  private func isKnown(_ address: IPAddress, _ mac: MACAddress, _ link: UInt32) -> Bool {
    states[link]?.addresses[address]?.mac == mac
  }

  /// Also false for an address outside of this network.
  package func heard(_ address: IPAddress, from mac: MACAddress, on link: UInt32) -> Bool {
    guard isGuests(address) else { return false }
    let guest = self.guest?(mac) ?? 0
    // Addresses beyond the guest's bound are not recorded, but may be used.
    guard isKnown(address, mac, link) || claims.take(guest, now: stack.now) else {
      return states[link]?.addresses[address] == nil
    }
    return update(link) {
      $0.addresses.heard(
        address, from: mac, guest: guest, now: stack.now, mayReplace: { mayReplace($0, by: mac) })
    } ?? false
  }

  /// The same, and records the address as a neighbor for packets to it.
  private func learn(_ address: IPAddress, from mac: MACAddress, on link: UInt32) -> Bool {
    guard heard(address, from: mac, on: link),
      stack.noteNeighbor(address, at: mac, on: link)
    else {
      counters.spoofed &+= 1
      return false
    }
    return true
  }

  // MARK: DHCPv6

  /// Handles a datagram for the DHCPv6 server. Only those from a link-local address are answered, which is what clients use
  /// (RFC 8415 §18.2).
  package func receive(_ payload: ByteView, from port: UInt16, _ packet: InboundPacket) {
    counters.dhcpReceived &+= 1
    let mac = packet.sourceMAC
    guard packet.source.isLinkLocal, !packet.source.isV4, mac.isUnicast,
      answers.take(mac, now: stack.now)
    else { return }
    let guest = self.guest?(mac) ?? 0
    let seconds = UInt64(configuration.dhcp.leaseSeconds)
    let answer = update(packet.link) { state -> DHCPv6Server.Answer in
      if let searchDomains { state.dhcp.configuration.searchDomains = searchDomains() }
      let address = state.dhcp.address(of: mac)
      let isFree = state.addresses[address].map {
        $0.mac == mac || $0.isTentative || mayReplace($0.mac, by: mac)
      }
      let answer = state.dhcp.handle(payload, receivedFrom: mac, isGiven: isFree ?? true)
      switch answer.effect {
      case .none: break
      case .bound(let address):
        _ = state.addresses.assign(
          address, to: mac, origin: .leased, guest: guest,
          expiry: seconds == UInt64(UInt32.max) ? nil : stack.now &+ seconds &* 1_000_000_000,
          now: stack.now, mayReplace: { mayReplace($0, by: mac) })
        if !answer.hostname.isEmpty, state.names[mac] != answer.hostname,
          state.names.count < GuestAddresses.perLink
        {
          state.names[mac] = answer.hostname
          state.addresses.renamed(mac)
        }
      case .released(let address): state.addresses.release(address, by: mac)
      }
      return answer
    }
    guard let reply = answer?.reply else { return }
    counters.dhcpSent &+= 1
    send(
      reply.bytes, to: Endpoint(packet.source, port: DHCPv6Message.clientPort), at: mac,
      on: packet.link)
  }
}
