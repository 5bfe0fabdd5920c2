// SPDX-License-Identifier: Apache-2.0
//
// Dispatches a frame with an IPv6 packet to its engine (RFC 2464, RFC 8200, RFC 4291 §2.7-2.8).
//
// A guest may use every address of the prefix and every link-local one except the stack's own and those bound to
// others: with other sources only Neighbor Discovery and MLD are processed, which have rules of their own. A unicast
// packet in a multicast frame gets no answer, and none is sent to a source that is not a unicast address (RFC 4443
// §2.4).

import Wire

extension Stack {
  @inline(__always)
  func receiveIPv6(
    _ ethernet: EthernetPacket, _ frame: UnsafePointer<Frame>, on link: UInt32,
    _ state: UnsafeMutablePointer<Link>, guess: UInt32
  ) {
    guard let ipv6 = core.config.ipv6 else {
      state.pointee.counters.ignored &+= 1
      return
    }
    guard let ip = IPv6Packet(checking: ethernet.payload) else {
      state.pointee.counters.malformed &+= 1
      return
    }
    let flags = frame.pointee.flags
    let destination = ip.destination
    if ethernet.destination != core.config.gatewayMAC || destination.isMulticast {
      guard destination.isMulticast, ipv6.isMember(of: destination) else {
        state.pointee.counters.ignored &+= 1
        return
      }
    }
    var packet = InboundPacket(
      link: link, sourceMAC: ethernet.source, source: ip.source, destination: destination,
      proto: ip.nextHeader, hopLimit: ip.hopLimit, payload: ip.payload, packet: ip.bytes,
      isChecksumTrusted: !flags.isDisjoint(with: [.checksumValid, .needsChecksum]),
      segmentSize: frame.pointee.gsoType == .udp ? frame.pointee.gsoSize : 0, guess: guess)
    // The common case.
    if ip.nextHeader == IPProtocol.tcp || ip.nextHeader == IPProtocol.udp {
      if learn(packet, ipv6) { dispatch(packet) }
      return
    }
    switch ip.chain {
    case .layer(let layer):
      packet.proto = layer.protocolNumber
      packet.payload = ip.bytes.dropFirst(layer.offset)
      packet.isReassembled = layer.fragment != nil
      if let fragment = layer.fragment, fragment.offset > 0 || fragment.moreFragments {
        guard learn(packet, ipv6) else { return }
        return receiveFragment(packet, ip, layer, fragment)
      }
      receiveWhole(packet, ipv6)
    case .refused(let refusal):
      refuse(packet, refusal, ipv6)
    }
  }

  /// A complete packet, possibly reassembled.
  func receiveWhole(_ packet: InboundPacket, _ ipv6: IPv6Config) {
    guard packet.proto == IPProtocol.icmpV6 else {
      if learn(packet, ipv6) { dispatch(packet) }
      return
    }
    let counters = core.links.pointer(packet.link)
    guard let message = ICMPv6Packet(checking: packet.payload),
      message.isChecksumValid(source: packet.source, destination: packet.destination)
    else {
      counters.pointee.counters.malformed &+= 1
      return
    }
    switch message.type {
    case ICMPv6Type.routerSolicitation...ICMPv6Type.redirect:
      // RFC 4861 §6.1, §7.1, §8.1; RFC 6980 §5.
      guard packet.hopLimit == 255, message.code == 0, !packet.isReassembled else {
        counters.pointee.counters.malformed &+= 1
        return
      }
      serve(packet, message, ipv6)
    case ICMPv6Type.listenerQuery...ICMPv6Type.listenerDone, ICMPv6Type.listenerReportV2:
      // RFC 3810 §5
      guard packet.hopLimit == 1, !packet.isReassembled else {
        counters.pointee.counters.malformed &+= 1
        return
      }
      serve(packet, message, ipv6)
    default:
      guard learn(packet, ipv6) else { return }
      receiveICMPv6(packet, message)
    }
  }

  /// Passes a message to the Neighbor Discovery service.
  private func serve(_ packet: InboundPacket, _ message: ICMPv6Packet, _ ipv6: IPv6Config) {
    let counters = core.links.pointer(packet.link)
    guard packet.sourceMAC.isUnicast, packet.sourceMAC != core.config.gatewayMAC else {
      counters.pointee.counters.malformed &+= 1
      return
    }
    guard let ndp = core.ndp, packet.source.isUnspecified || isGuest(packet.source, ipv6) else {
      counters.pointee.counters.ignored &+= 1
      return
    }
    ndp.receive(message, packet)
  }

  private func isGuest(_ source: IPAddress, _ ipv6: IPv6Config) -> Bool {
    source.isUnicast && !ipv6.isOwn(source) && ipv6.isGuest(source)
  }

  /// Learns the sender; false when the packet must be dropped.
  @inline(__always)
  private func learn(_ packet: InboundPacket, _ ipv6: IPv6Config) -> Bool {
    let state = core.links.pointer(packet.link)
    if packet.source == state.pointee.guestAddress6,
      packet.sourceMAC == state.pointee.guestMAC6, !packet.source.isUnspecified
    {
      return true
    }
    return learnAnew(packet, ipv6)
  }

  /// The sender differs from the link's last one, or uses another address.
  private func learnAnew(_ packet: InboundPacket, _ ipv6: IPv6Config) -> Bool {
    let state = core.links.pointer(packet.link)
    guard packet.sourceMAC.isUnicast, packet.sourceMAC != core.config.gatewayMAC else {
      state.pointee.counters.malformed &+= 1
      return false
    }
    guard isGuest(packet.source, ipv6) else {
      state.pointee.counters.ignored &+= 1
      return false
    }
    return core.noteNeighbor(packet.source, at: packet.sourceMAC, on: packet.link)
  }

  /// A packet that its extension headers make undeliverable or unreadable.
  func refuse(_ packet: InboundPacket, _ refusal: IPv6Refusal, _ ipv6: IPv6Config) {
    let counters = core.links.pointer(packet.link)
    switch refusal {
    case .malformed: counters.pointee.counters.malformed &+= 1
    case .discarded: counters.pointee.counters.ignored &+= 1
    case .problem(let code, let pointer):
      guard learn(packet, ipv6) else { return }
      counters.pointee.counters.malformed &+= 1
      core.sendICMPError(about: packet, .parameterProblem(code: code, pointer: UInt32(pointer)))
    }
  }
}
