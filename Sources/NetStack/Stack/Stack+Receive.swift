// SPDX-License-Identifier: Apache-2.0
//
// Dispatches a frame to its engine (RFC 894, RFC 791, RFC 1122 §3.2.1). IPv6 is in Stack+ReceiveIPv6.swift.
//
// Lengths and checksums are checked here; engines get an InboundPacket. A guest may use any address of its subnet
// except the gateway's, the DNS's, and those leased to others: packets with other sources are dropped, so that no
// answer goes to a wrong station. DHCP is exempt: its client may have an address of another network, or one that now
// belongs to another. A unicast packet in a broadcast frame gets no answer (RFC 1122 §3.3.6).

import Wire

extension Stack {
  /// One frame; borrowed. `guess` is LookAhead's.
  @inline(__always)
  func receive(_ frame: UnsafePointer<Frame>, on link: UInt32, guess: UInt32) {
    let state = core.links.pointer(link)
    guard let data = frame.pointee.data,
      !frame.pointee.flags.contains(.slices),
      let ethernet = EthernetPacket(
        checking: ByteView(data, count: Int(min(frame.pointee.length, UInt32(Frame.maximumLength))))
      )
    else {
      state.pointee.counters.malformed &+= 1
      return
    }
    state.pointee.counters.receivedFrames &+= 1
    state.pointee.counters.receivedBytes &+= UInt64(frame.pointee.length)
    let destination = ethernet.destination
    guard destination == core.config.gatewayMAC || destination.isMulticast else {
      // On a switch: a flooded frame to another station.
      state.pointee.counters.ignored &+= 1
      return
    }
    switch ethernet.etherType {
    case EtherType.ipv4:
      receiveIPv4(ethernet, frame, on: link, state, guess: guess)
    case EtherType.ipv6:
      receiveIPv6(ethernet, frame, on: link, state, guess: guess)
    case EtherType.arp:
      receiveARP(ethernet, on: link)
    default:
      state.pointee.counters.ignored &+= 1
    }
  }

  @inline(__always)
  private func receiveIPv4(
    _ ethernet: EthernetPacket, _ frame: UnsafePointer<Frame>, on link: UInt32,
    _ state: UnsafeMutablePointer<Link>, guess: UInt32
  ) {
    let flags = frame.pointee.flags
    guard let ip = IPv4Packet(checking: ethernet.payload) else {
      state.pointee.counters.malformed &+= 1
      return
    }
    let trusted = !flags.isDisjoint(with: [.checksumValid, .needsChecksum])
    // Its sender makes it whatever is left to the link.
    guard ip.isHeaderChecksumValid else {
      state.pointee.counters.malformed &+= 1
      return
    }
    guard ethernet.destination == core.config.gatewayMAC || isForAll(ip.destination) else {
      state.pointee.counters.ignored &+= 1
      return
    }
    let source = ip.source
    let mac = ethernet.source
    if state.pointee.guestAddress != source || state.pointee.guestMAC != mac {
      guard learn(source, at: mac, from: ip, on: link) else { return }
    }
    if ip.isFragment {
      receiveFragment(ip, from: mac, on: link)
      return
    }
    dispatch(
      InboundPacket(
        link: link, sourceMAC: mac, source: source, destination: ip.destination,
        proto: ip.protocolNumber, hopLimit: ip.timeToLive, payload: ip.payload, packet: ip.bytes,
        isChecksumTrusted: trusted,
        segmentSize: frame.pointee.gsoType == .udp ? frame.pointee.gsoSize : 0,
        guess: guess))
  }

  /// Dispatches a complete packet to its engine.
  @inline(__always)
  func dispatch(_ packet: InboundPacket) {
    switch packet.proto {
    case IPProtocol.tcp: tcp.input(packet)
    case IPProtocol.udp: udp.input(packet)
    case IPProtocol.icmp where packet.source.isV4:
      if let error = icmp.input(packet) { tcp.guestReports(packet, error) }
    case IPProtocol.icmpV6 where !packet.source.isV4:
      // From NewFlows: it was checked before.
      if let message = ICMPv6Packet(checking: packet.payload) { receiveICMPv6(packet, message) }
    default: refuseProtocol(packet)
    }
  }

  /// A packet of a protocol that the stack does not implement.
  private func refuseProtocol(_ packet: InboundPacket) {
    core.links.pointer(packet.link).pointee.counters.ignored &+= 1
    // RFC 8200 §4.7: no next header; such a packet is ignored silently.
    guard packet.source.isV4 || packet.proto != IPProtocol.noNextHeader else { return }
    if core.config.isOwn(packet.destination) {
      core.sendICMPError(about: packet, .protocolNumber(pointer: packet.nextHeaderOffset))
    } else if [.prohibited, .denied].contains(
      core.route(proto: packet.proto, to: Endpoint(packet.destination, port: 7), of: packet))
    {
      core.sendICMPError(about: packet, .prohibited)
    }
  }

  /// Whether an address is a group or broadcast address.
  private func isForAll(_ address: IPAddress) -> Bool {
    !address.isUnicast || address == core.config.subnet.broadcast
  }

  /// Learns the sender; false when the packet must be dropped. Off the fast path: called when the sender differs from
  /// the link's last one.
  private func learn(
    _ source: IPAddress, at mac: MACAddress, from ip: IPv4Packet, on link: UInt32
  ) -> Bool {
    let state = core.links.pointer(link)
    guard mac.isUnicast, mac != core.config.gatewayMAC else {
      state.pointee.counters.malformed &+= 1
      return false
    }
    // DHCP: a guest without an address, or with one that it should not have.
    if source.isUnspecified
      || ip.protocolNumber == IPProtocol.udp && udp.dhcp?.isFor(ip) == true
    {
      return true
    }
    guard core.config.subnet.contains(source), source.isUnicast, !core.config.isOwn(source),
      source != core.config.subnet.broadcast
    else {
      state.pointee.counters.ignored &+= 1
      return false
    }
    return core.noteNeighbor(source, at: mac, on: link)
  }

  /// An ARP packet: answers for the stack's addresses, learns the sender's.
  func receiveARP(_ ethernet: EthernetPacket, on link: UInt32) {
    let state = core.links.pointer(link)
    guard let packet = ARPPacket(checking: ethernet.payload), packet.senderMAC.isUnicast,
      packet.senderMAC == ethernet.source, packet.senderMAC != core.config.gatewayMAC
    else {
      state.pointee.counters.malformed &+= 1
      return
    }
    let header = ARPHeader(packet)
    // A probe (RFC 5227) has no sender address; one of the stack's is a guest's mistake.
    if header.senderIP.isUnicast, core.config.subnet.contains(header.senderIP),
      !core.config.isOwn(header.senderIP)
    {
      udp.dhcp?.heard(header.senderIP, from: header.senderMAC, on: link)
      core.noteNeighbor(header.senderIP, at: header.senderMAC, on: link)
    }
    if header.operation == ARPHeader.request, core.config.isOwn(header.targetIP) {
      core.sendARP(header.reply(from: core.config.gatewayMAC), to: header.senderMAC, on: link)
    }
  }
}
